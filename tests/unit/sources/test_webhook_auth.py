import base64
import io
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from tests.doubles.receiver import Receiver, WrittenDialect, running_receiver
from watcher.kit.telemetry import configure_logging
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import BasicAuth, BearerAuth, PathTokenAuth, WebhookAuth, WebhookSourceSettings

pytestmark = pytest.mark.enable_socket

NEW, OLD = "new-secret-0123456789", "old-secret-0123456789"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as it would be written."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(level="debug", stream=stream, as_json=True)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("NEW", NEW)
    monkeypatch.setenv("OLD", OLD)
    auths: dict[str, WebhookAuth] = {
        "bearer": BearerAuth(secret="env:NEW", previous_secret="env:OLD"),
        "header": BearerAuth(secret="env:NEW", previous_secret="env:OLD", header="X-JFrog-Event-Auth"),
        "query": BearerAuth(secret="env:NEW", previous_secret="env:OLD", query="access_token"),
        "path": PathTokenAuth(secret="env:NEW", previous_secret="env:OLD"),
        "basic": BasicAuth(username="zot", password="env:NEW", previous_password="env:OLD"),
    }
    sources = [WebhookSource(WebhookSourceSettings(name=name, auth=auth), max_body_bytes=1024) for name, auth in auths.items()]
    async with running_receiver(tmp_path, sources, WrittenDialect()) as running:
        yield running


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("secret", [NEW, OLD])
async def test_two_secrets_are_accepted_while_senders_are_changed(receiver: Receiver, secret: str) -> None:
    """The new one and the previous one, in every place a secret can be."""
    proofs: list[tuple[str, dict[str, str]]] = [
        ("bearer", {"Authorization": f"Bearer {secret}"}),
        ("bearer", {"Authorization": secret}),
        ("header", {"X-JFrog-Event-Auth": secret}),
        ("header", {"x-jfrog-event-auth": f"Bearer {secret}"}),
        ("query", {"Authorization": f"Bearer {secret}"}),
        (f"query?access_token={secret}", {}),
        (f"path/{secret}", {}),
        ("basic", basic("zot", secret)),
    ]
    assert [(await receiver.post(path, headers=headers))[0] for path, headers in proofs] == [202] * len(proofs)


async def test_a_secret_counts_in_its_own_place_only(receiver: Receiver) -> None:
    """Neither in the header nor in the parameter of another configuration, nor half of it."""
    guesses: list[tuple[str, dict[str, str]]] = [
        ("bearer", {"X-JFrog-Event-Auth": NEW}),
        ("header", {"Authorization": f"Bearer {NEW}"}),
        ("header", {"X-JFrog-Event-Auth": ""}),
        (f"bearer?access_token={NEW}", {}),
        (f"query?code={NEW}", {}),
        ("query?access_token=", {}),
        (f"query?access_token={NEW[:-1]}", {}),
        (f"path/{NEW}{OLD}", {}),
        ("basic", basic("zot", "")),
        ("basic", basic("", NEW)),
    ]
    answers = [await receiver.send("POST", path, headers=headers) for path, headers in guesses]
    assert {(status, body) for status, _, body in answers} == {(401, answers[0][2])}
    assert receiver.backlog.arrivals == []


async def test_a_sender_that_still_has_the_previous_secret_is_told_of_once(receiver: Receiver, log: io.StringIO) -> None:
    """So that somebody knows when the previous one can be taken away."""
    for secret in (NEW, OLD, OLD):
        assert (await receiver.post("bearer", headers={"Authorization": secret}))[0] == 202
    assert log.getvalue().count("secret.outdated") == 1


async def test_no_secret_is_ever_logged(receiver: Receiver, log: io.StringIO) -> None:
    """Neither the right one nor a guess, wherever it was."""
    guess = "guess-0123456789"
    for secret in (NEW, guess):
        for path in ("bearer", "header", f"query?access_token={secret}", f"path/{secret}", f"nobody/{secret}"):
            await receiver.send("POST", path, headers={"Authorization": secret, "X-JFrog-Event-Auth": secret})
        await receiver.send("POST", "basic", headers=basic("zot", secret))
    structlog.get_logger("x").info(
        "thing.failed", detail=f"POST /hooks/query?access_token={NEW} failed", url=f"/hooks/a/{NEW}?b={NEW}"
    )
    assert "hook.refused" in log.getvalue()
    assert NEW not in log.getvalue()
    assert guess not in log.getvalue()


async def test_guesses_do_not_fill_the_log(receiver: Receiver, log: io.StringIO) -> None:
    """One line for a source and one for all that are none, however many guess; every one is answered 401."""
    for number in range(20):
        for path in ("bearer", f"nobody-{number}"):
            assert (await receiver.post(path, headers={"Authorization": f"guess-{number}"}))[0] == 401
    assert log.getvalue().count("hook.refused") == 2


@pytest.mark.parametrize("auth", [{"header": "Author ization"}, {"header": ""}, {"query": "a&b"}, {"secret": "s3cret"}])
def test_what_is_no_header_parameter_or_reference_is_a_configuration_error(auth: dict[str, str]) -> None:
    """Before a sender finds it out."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "webhook", "auth": {"type": "bearer", "secret": "env:NEW", **auth}}, WebhookSourceSettings)
