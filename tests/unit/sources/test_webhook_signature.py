import hmac
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import structlog
from multidict import CIMultiDict

from tests.doubles.receiver import Receiver, WrittenDialect, running_receiver
from tests.doubles.requests import a_request
from watcher.kit.secret import Secret
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import HmacAuth, WebhookSourceSettings
from watcher.sources.webhook_signature import SignatureDoorman

pytestmark = pytest.mark.enable_socket

MAX_BODY = 4096
NEW, OLD = "new-secret-0123456789", "old-secret-0123456789"
BODY = b'{"a": "\xc3\xa9", "b": [1, 2]}'


def signature(body: bytes, *, secret: str = NEW, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


@pytest.fixture
def dialect() -> WrittenDialect:
    return WrittenDialect()


@pytest.fixture
async def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: WrittenDialect) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("NEW", NEW)
    monkeypatch.setenv("OLD", OLD)
    auth = HmacAuth(secret="env:NEW", previous_secret="env:OLD")
    dialects = ("ghcr", "gitea", "artifactory", "nexus", "generic", "cloudevents", "cdevents")
    settings = [WebhookSourceSettings(dialect=each, auth=auth) for each in dialects]
    settings.append(WebhookSourceSettings(name="own", dialect="generic", auth=HmacAuth(secret="env:NEW", header="X-Our-Signature")))
    async with running_receiver(tmp_path, [WebhookSource(each, max_body_bytes=MAX_BODY) for each in settings], dialect) as running:
        yield running


async def test_the_vector_that_github_publishes_is_accepted() -> None:
    """As in https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries ."""
    doorman = SignatureDoorman(
        Secret("It's a Secret to Everybody"), prefixes={"X-Hub-Signature-256": "sha256="}, algorithm="sha256"
    )
    given = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = CIMultiDict({"x-hub-signature-256": given})
    assert await doorman.objection(a_request(headers), b"Hello, World!") is None
    assert await doorman.objection(a_request(headers), b"Hello, World?") == "bad-signature"


@pytest.mark.parametrize(
    ("name", "header", "prefix", "algorithm"),
    [
        ("ghcr", "X-Hub-Signature-256", "sha256=", "sha256"),
        ("gitea", "X-Gitea-Signature", "", "sha256"),
        ("gitea", "X-Forgejo-Signature", "", "sha256"),
        ("gitea", "X-Hub-Signature-256", "sha256=", "sha256"),
        ("artifactory", "X-JFrog-Event-Auth", "", "sha256"),
        ("nexus", "X-Nexus-Webhook-Signature", "", "sha1"),
        ("generic", "X-Signature", "sha256=", "sha256"),
        ("cloudevents", "X-Signature", "sha256=", "sha256"),
        ("cdevents", "X-Signature", "sha256=", "sha256"),
        ("own", "X-Our-Signature", "sha256=", "sha256"),
    ],
)
async def test_every_sender_signs_in_its_own_way(receiver: Receiver, name: str, header: str, prefix: str, algorithm: str) -> None:
    """Its header, its prefix, its algorithm: with the secret, over every byte, and in no other way."""
    good = prefix + signature(BODY, algorithm=algorithm)
    assert (await receiver.send("POST", name, BODY, {header: good}))[0] == 202
    assert (await receiver.send("POST", name, BODY, {header: prefix + good.removeprefix(prefix).upper()}))[0] == 202
    wrong = [
        prefix + signature(BODY, secret="other", algorithm=algorithm),
        prefix + signature(BODY + b" ", algorithm=algorithm),
        prefix + signature(b"", algorithm=algorithm),
        good[:-1],
        good + "0",
        prefix + "g" + good.removeprefix(prefix)[1:],
        prefix,
        "",
        NEW,
        f"sha1={signature(BODY, algorithm='sha1')}",
        f"sha512={signature(BODY, algorithm='sha512')}",
        f"{prefix or 'sha256='}{good}",
        signature(BODY) if prefix else f"sha256={signature(BODY)}",
        f"{good},{good}",
    ]
    answers = {(await receiver.send("POST", name, BODY, {header: each}))[0::2] for each in wrong}
    answers |= {(await receiver.send("POST", name, BODY, {other: good}))[0::2] for other in ("X-Other", "Authorization")}
    answers.add((await receiver.send("POST", "nobody", BODY))[0::2])
    assert {status for status, _ in answers} == {401}
    assert len(answers) == 1
    assert len(receiver.backlog.arrivals) == 2


@pytest.mark.parametrize("name", ["ghcr", "gitea", "nexus"])
async def test_the_previous_secret_is_accepted_while_senders_are_changed(receiver: Receiver, name: str) -> None:
    """And none that is half of the one and half of the other."""
    header, prefix, algorithm = {
        "ghcr": ("X-Hub-Signature-256", "sha256=", "sha256"),
        "gitea": ("X-Gitea-Signature", "", "sha256"),
        "nexus": ("X-Nexus-Webhook-Signature", "", "sha1"),
    }[name]
    new, old = (signature(BODY, secret=each, algorithm=algorithm) for each in (NEW, OLD))
    assert (await receiver.send("POST", name, BODY, {header: prefix + old}))[0] == 202
    assert (await receiver.send("POST", name, BODY, {header: prefix + new[:20] + old[20:]}))[0] == 401


async def test_the_raw_form_of_github_is_signed_and_the_payload_in_that_of_gitea(
    receiver: Receiver, dialect: WrittenDialect
) -> None:
    """Each over what its sender computes it over, and not over the other."""
    form = urllib.parse.urlencode({"payload": BODY}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    github, gitea = "X-Hub-Signature-256", "X-Gitea-Signature"
    assert (await receiver.send("POST", "ghcr", form, {**kind, github: f"sha256={signature(form)}"}))[0] == 202
    assert (await receiver.send("POST", "ghcr", form, {**kind, github: f"sha256={signature(BODY)}"}))[0] == 401
    assert (await receiver.send("POST", "gitea", form, {**kind, gitea: signature(BODY)}))[0] == 202
    assert [each.body for each in dialect.read_so_far] == [form, form]


@pytest.mark.parametrize("extra", [b"&payload={}", b"&other=1", b"&payload", b"&payload="])
async def test_a_form_with_more_than_what_was_signed_is_refused(receiver: Receiver, extra: bytes) -> None:
    """Whoever has seen one signed payload cannot have another one read beside it."""
    form = urllib.parse.urlencode({"payload": BODY}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Gitea-Signature": signature(BODY)}
    assert (await receiver.send("POST", "gitea", form + extra, headers))[0] == 401
    assert (await receiver.send("POST", "gitea", extra.lstrip(b"&") + b"&" + form, headers))[0] == 401


async def test_gitea_may_send_by_get(receiver: Receiver, dialect: WrittenDialect) -> None:
    """The payload is then in the query string, is what is signed, and is what is read."""
    query = urllib.parse.urlencode({"branch": "main", "payload": BODY})
    headers = {"X-Gitea-Signature": signature(BODY)}
    assert (await receiver.send("GET", f"gitea?{query}", b"", headers))[0] == 202
    assert dialect.read_so_far[-1].body == BODY
    assert (await receiver.send("GET", f"gitea?{query}&payload=%7B%7D", b"", headers))[0] == 401
    assert (await receiver.send("POST", f"gitea?{query}", b"{}", headers))[0] == 401
    assert (await receiver.send("GET", "gitea", b"", {"X-Gitea-Signature": signature(b"")}))[0] == 202
    assert len(dialect.read_so_far) == 2


async def test_a_signed_body_that_is_too_large_is_neither_read_on_nor_recorded(receiver: Receiver) -> None:
    """413: nobody knows who sent it."""
    body = b" " * (MAX_BODY + 1)
    headers = {"X-Hub-Signature-256": f"sha256={signature(body)}"}
    assert (await receiver.send("POST", "ghcr", body, headers))[0] == 413
    reader, writer = await receiver.connect()
    head = f"POST /hooks/ghcr HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={'0' * 64}\r\nContent-Length: 1000000000\r\n\r\n"
    writer.write(head.encode() + body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    await writer.wait_closed()
    assert receiver.backlog.arrivals == []


async def test_wrong_signatures_and_large_bodies_do_not_fill_the_log(receiver: Receiver) -> None:
    """A line for each reason, however many come; anybody can send them."""
    headers = {"X-Hub-Signature-256": f"sha256={'0' * 64}"}
    with structlog.testing.capture_logs() as said:
        for _ in range(10):
            assert (await receiver.send("POST", "ghcr", BODY, headers))[0] == 401
            assert (await receiver.send("POST", "ghcr", b" " * (MAX_BODY + 1), headers))[0] == 413
    assert [line["reason"] for line in said if line["event"] == "delivery.refused"] == ["bad-signature", "too-large"]


async def test_a_request_without_a_signature_is_refused_before_its_body_is_read(receiver: Receiver) -> None:
    """A stranger cannot make us read."""
    reader, writer = await receiver.connect()
    writer.write(b"POST /hooks/ghcr HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("dialect_name", "advice"),
    [
        ("quay", "path-token"),
        ("dockerhub", "path-token"),
        ("distribution", "bearer"),
        ("harbor", "bearer"),
        ("gar", "oidc"),
        ("ecr", "sns"),
        ("eventgrid", "path-token"),
    ],
)
def test_a_sender_that_cannot_sign_is_a_configuration_error(dialect_name: str, advice: str) -> None:
    """And is told what to use instead."""
    given = {"type": "webhook", "dialect": dialect_name, "auth": {"type": "hmac", "secret": "env:NEW"}}
    with pytest.raises(msgspec.ValidationError, match=rf"does not sign: .*{advice}"):
        msgspec.convert(given, WebhookSourceSettings)


def test_the_header_of_a_sender_that_has_one_cannot_be_changed() -> None:
    """What is signed and how is the sender's, and known."""
    given = {"type": "webhook", "dialect": "ghcr", "auth": {"type": "hmac", "secret": "env:NEW", "header": "X-Signature"}}
    with pytest.raises(msgspec.ValidationError, match="X-Hub-Signature-256"):
        msgspec.convert(given, WebhookSourceSettings)
