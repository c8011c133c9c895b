import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest
import structlog

from tests.doubles.receiver import Receiver, running_receiver
from watcher.api.limits import Limits
from watcher.dialects.catalog import DIALECTS
from watcher.model.errors import ConfigurationError
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import BasicAuth, BearerAuth, NoAuth, PathTokenAuth, WebhookAuth, WebhookSourceSettings

pytestmark = pytest.mark.enable_socket

MAX_BODY = 2048
DIGEST = "sha256:" + "1" * 64
SECRET = {"Authorization": "Bearer s3cret"}


def a_source(name: str, auth: WebhookAuth) -> WebhookSource:
    return WebhookSource(
        WebhookSourceSettings(name=name, registry="registry.example.com", auth=auth), max_body_bytes=MAX_BODY, waits_seconds=0
    )


@pytest.fixture
async def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("HOOK", "s3cret")
    auths: dict[str, WebhookAuth] = {
        "bearer": BearerAuth(secret="env:HOOK"),
        "path": PathTokenAuth(secret="env:HOOK"),
        "basic": BasicAuth(username="registry", password="env:HOOK"),
        "open": NoAuth(),
    }
    async with running_receiver(tmp_path, [a_source(*each) for each in auths.items()], DIALECTS["distribution"]) as running:
        yield running


def open_to_anybody(directory: Path, limits: Limits) -> AbstractAsyncContextManager[Receiver]:
    return running_receiver(directory, [a_source("open", NoAuth())], DIALECTS["distribution"], limits=limits)


def envelope(*actions: str) -> bytes:
    target = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "repository": "team/app", "digest": DIGEST, "tag": "v1"}
    return json.dumps(
        {"events": [{"id": f"e{index}", "action": action, "target": target} for index, action in enumerate(actions)]}
    ).encode()


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("bearer", {"Authorization": "Bearer s3cret"}),
        ("bearer", {"Authorization": "Token s3cret"}),
        ("bearer", {"Authorization": "s3cret"}),
        ("path/s3cret", {}),
        ("basic", basic("registry:s3cret")),
        ("open", {}),
        ("open/whatever", {}),
    ],
)
async def test_a_sender_that_proves_itself_is_let_in(receiver: Receiver, path: str, headers: dict[str, str]) -> None:
    """In every form in which senders can be told to send a secret."""
    assert await receiver.post(path, headers=headers) == (202, {"accepted": 0, "ignored": 1, "duplicates": 0})


async def test_whoever_guesses_learns_nothing(receiver: Receiver) -> None:
    """One and the same 401 for an unknown source, no secret, a wrong one, and the right one in the wrong place."""
    guesses: list[tuple[str, dict[str, str]]] = [
        ("nobody", {}),
        ("nobody/s3cret", SECRET),
        ("bearer", {}),
        ("bearer", {"Authorization": "Bearer s3cre"}),
        ("bearer", {"Authorization": "Bearer s3cret2"}),
        ("bearer", {"Authorization": "Bearer "}),
        ("bearer/s3cret", {}),
        ("path", SECRET),
        ("path/s3cret2", {}),
        ("path/%00", {}),
        ("path/%ff", {}),
        ("path/%ed%a0%80", {}),
        ("%ff", {}),
        ("basic", SECRET),
        ("basic", basic("registry:wrong")),
        ("basic", basic("other:s3cret")),
        ("basic", basic("s3cret")),
        ("basic", {"Authorization": "Basic ☃"}),
        ("basic", {"Authorization": "Basic !!!"}),
        ("basic", {}),
    ]
    answers = set()
    for path, headers in guesses:
        async with receiver.api.session.post(f"{receiver.api.url}/hooks/{path}", data=b"{}", headers=headers) as response:
            kept = {name: value for name, value in response.headers.items() if name != "Date"}
            answers.add((response.status, await response.text(), str(sorted(kept.items()))))
    ((status, _, _),) = answers
    assert status == 401
    assert receiver.backlog.arrivals == []


async def test_a_refused_sender_is_answered_before_its_body_is_read(receiver: Receiver) -> None:
    """A stranger cannot make us read: the answer comes while the body is still to be sent."""
    reader, writer = await receiver.connect()
    writer.write(b"POST /hooks/bearer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


async def test_the_answer_counts_what_became_of_the_events(receiver: Receiver) -> None:
    """Accepted, ignored and duplicates; rejected only when there are some."""
    body = envelope("push", "pull", "push")
    assert await receiver.post("open", body) == (202, {"accepted": 2, "ignored": 1, "duplicates": 0})
    assert await receiver.post("open", body) == (202, {"accepted": 0, "ignored": 0, "duplicates": 3})
    assert await receiver.post("open", b'{"events":[{"action":""}]}') == (
        202,
        {"accepted": 0, "ignored": 0, "duplicates": 0, "rejected": 1},
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"<html>", "invalid-json"), (b'{"events": NaN}', "non-finite-number"), (b'{"a":1,"a":2}', "duplicate-key")],
)
async def test_a_body_that_is_no_json_is_taken_and_recorded(receiver: Receiver, body: bytes, reason: str) -> None:
    """Refusing it would make the registry send it again for ever, and nothing after it."""
    status, _ = await receiver.post("open", body)
    arrival = receiver.last
    assert (status, receiver.rejected.reason, arrival.excerpt, arrival.body_bytes) == (202, reason, body, len(body))
    assert arrival.body_sha256 == hashlib.sha256(body).hexdigest()


async def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not(receiver: Receiver) -> None:
    """The larger one is read to its end, hashed and recorded with its beginning, and answered 202."""
    fits = envelope("pull").ljust(MAX_BODY)
    assert await receiver.post("open", fits) == (202, {"accepted": 0, "ignored": 1, "duplicates": 0})
    large = fits + b" " * 10_000
    assert (await receiver.post("open", large))[0] == 202
    arrival = receiver.last
    assert (receiver.rejected.reason, arrival.body_bytes) == ("too-large", len(large))
    assert arrival.body_sha256 == hashlib.sha256(large).hexdigest()
    assert large.startswith(arrival.excerpt)
    assert arrival.excerpt


async def test_a_body_without_end_is_cut_off(tmp_path: Path) -> None:
    """What was read of it is recorded, and the connection is closed."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 4096

    async with open_to_anybody(tmp_path, Limits(drain_bytes=100_000)) as receiver:
        with contextlib.suppress(OSError):  # the client may still be writing when we hang up
            await receiver.post("open", endless())
        assert receiver.rejected.reason == "too-large"
        assert 100_000 < receiver.last.body_bytes < 2_000_000


async def test_what_is_compressed_is_not_unpacked(receiver: Receiver) -> None:
    """No registry compresses, so a bomb is only bytes that are no JSON."""
    status, _ = await receiver.post("open", b"\x1f\x8b\x08\x00 no gzip either", {"Content-Encoding": "gzip"})
    assert (status, receiver.rejected.reason) == (202, "invalid-json")


async def test_a_sender_that_trickles_is_ended(tmp_path: Path) -> None:
    """It holds a connection for a bounded time only. 503, not 408: some take that for final, and it may be we who were slow."""
    async with open_to_anybody(tmp_path, Limits(read_seconds=0.05)) as receiver:
        reader, writer = await receiver.connect()
        writer.write(b"POST /hooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        writer.close()
        await writer.wait_closed()


async def test_a_store_that_is_down_is_the_senders_to_try_again(receiver: Receiver) -> None:
    """503 with Retry-After, and 202 once it is up."""
    receiver.backlog.broken = True
    async with receiver.api.session.post(f"{receiver.api.url}/hooks/open", data=envelope("push")) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
    receiver.backlog.broken = False
    assert (await receiver.post("open", envelope("push")))[1]["accepted"] == 1


async def test_a_flood_that_is_refused_does_not_flood_the_log(receiver: Receiver) -> None:
    """Each is told why; the log and the source's health have it once, and that it is over."""
    receiver.backlog.broken = True
    with structlog.testing.capture_logs() as logged:
        for _ in range(20):
            status, body = await receiver.post("open", envelope("push"))
            assert (status, body["detail"], body["reason"]) == (503, "disk full", "store-unavailable")
        receiver.backlog.broken = False
        for _ in range(2):
            assert (await receiver.post("open", envelope("push")))[0] == 202
    assert [each["event"] for each in logged if each["event"] != "request.answered"] == ["delivery.postponed", "source.recovered"]


async def test_other_methods_and_deeper_paths_are_no_hooks(receiver: Receiver) -> None:
    """405 and 404, without a word about what there is: whoever did not prove himself is told no more than by any other method."""
    assert (await receiver.send("GET", "open"))[0] == 405
    assert (await receiver.send("GET", "open"))[1]["Allow"] == "POST"
    for method in ("GET", "PUT", "OPTIONS"):
        assert {(await receiver.send(method, path))[0] for path in ("bearer", "path", "nobody")} == {401}
    for method in ("DELETE", "PATCH", "HEAD"):
        assert {(await receiver.send(method, path))[0] for path in ("bearer", "open", "nobody")} == {405}
    assert (await receiver.post("open/a/b"))[0] == 404
    assert receiver.backlog.arrivals == []


def test_a_source_without_auth_is_a_configuration_error() -> None:
    """An open door has to be asked for."""
    with pytest.raises(msgspec.ValidationError, match="auth"):
        msgspec.convert({"type": "webhook", "dialect": "distribution"}, WebhookSourceSettings)
    assert msgspec.convert({"type": "webhook", "auth": {"type": "none"}}, WebhookSourceSettings).name == ""


def test_a_secret_that_is_not_set_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the first request finds it out."""
    with pytest.raises(ConfigurationError, match="NO_SUCH_VARIABLE"):
        a_source("main", BearerAuth(secret="env:NO_SUCH_VARIABLE"))
    monkeypatch.setenv("HOOK", "s3cret")
    with pytest.raises(ConfigurationError, match="NO_SUCH_VARIABLE"):
        a_source("main", BearerAuth(secret="env:HOOK", previous_secret="env:NO_SUCH_VARIABLE"))
