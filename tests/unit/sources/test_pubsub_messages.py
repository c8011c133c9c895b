"""What a message of Pub/Sub becomes, and how many are under way."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.doubles.intakes import RecordingIntake, open_intake
from tests.doubles.pubsub_bench import source_at, until
from tests.doubles.pubsub_server import SUBSCRIPTION, PubsubServer
from tests.doubles.source_bench import listening
from watcher.kit.google_credentials import of_file
from watcher.model.errors import ConfigurationError
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSourceSettings

pytestmark = pytest.mark.enable_socket  # a double on loopback, which Google's client talks to


@pytest.fixture
def server() -> Iterator[PubsubServer]:
    running = PubsubServer()
    running.start()
    yield running
    running.kill()


async def test_a_message_is_a_body_with_headers(server: PubsubServer) -> None:
    """Data, id, time and attributes; what Pub/Sub says stands under names that no attribute can take."""
    intake = open_intake()
    before = datetime.now(UTC)
    source = source_at(server, dialect="gar", aliases=("proxy.example.com",))
    async with listening(source, intake):
        (message_id,) = server.publish(b"{}", eventType="x", **{"x-goog-pubsub-message-id": "forged", "Message-Id": "forged"})
        await until(lambda: server.main.acknowledged == [message_id])
        assert source.health.connected
    ((name, delivery),) = intake.taken
    headers = dict(delivery.headers)
    published = datetime.fromisoformat(headers.pop("x-goog-pubsub-publish-time"))
    assert before <= published <= datetime.now(UTC)
    assert headers == {
        "x-goog-pubsub-message-id": message_id,
        "x-goog-pubsub-attribute-eventtype": "x",
        "x-goog-pubsub-attribute-x-goog-pubsub-message-id": "forged",
        "x-goog-pubsub-attribute-message-id": "forged",
    }
    assert (name, delivery.body, delivery.aliases) == ("main", b"{}", frozenset({"proxy.example.com"}))


async def test_a_message_that_is_too_large_is_shown_in_part(server: PubsubServer) -> None:
    """With its size and hash, so that it can be recorded and acknowledged."""
    intake, payload = open_intake(), b"x" * 5000
    async with listening(source_at(server, max_payload="1KiB"), intake):
        server.publish(payload)
        await until(lambda: server.main.acknowledged)
    ((_, delivery),) = intake.taken
    assert delivery.whole_bytes == 5000
    assert delivery.whole_sha256 == hashlib.sha256(payload).hexdigest()
    assert delivery.body == payload[:4096]


async def test_no_more_is_under_way_than_allowed(server: PubsubServer) -> None:
    """The rest waits at the service, which counts as well."""
    intake = RecordingIntake()
    async with listening(source_at(server, max_messages=5), intake):
        server.publish(*[b"{}"] * 12)
        await until(lambda: len(server.main.leases) == 5)
        await asyncio.sleep(0.05)
        assert len(server.main.leases) == 5
        intake.gate.set()
        await until(lambda: len(server.main.acknowledged) == 12)


async def test_health_says_how_long_news_was_under_way(server: PubsubServer) -> None:
    """From its publication to its place on disk."""
    source = source_at(server)
    assert (source.health.connected, source.health.problem) == (False, "not started")
    async with listening(source, open_intake()):
        server.publish(b"{}")
        await until(lambda: server.main.acknowledged)
        assert source.health.lag_seconds is not None
        assert 0 <= source.health.lag_seconds < 5
        assert source.health.last_event_at is not None
    assert (source.health.connected, source.health.problem) == (False, "stopped")


async def test_no_thread_outlives_a_source(server: PubsubServer) -> None:
    """Not even one that was stopped before it was connected."""
    async with listening(source_at(server), open_intake()):  # what gRPC starts once and keeps
        server.publish(b"{}")
        await until(lambda: server.main.acknowledged)
    for seconds in (0.0, 0.001, 0.02):
        async with listening(source_at(server), open_intake()):
            await asyncio.sleep(seconds)
    ours = {"pubsub-start", "pubsub-close", "Thread-CallbackRequestDispatcher", "Thread-ConsumeBidirectionalStream"}
    ours |= {"Thread-LeaseMaintainer", "Thread-Heartbeater", "Thread-RegularStreamShutdown", "Thread-OnRpcTerminated"}
    await until(lambda: not ours & {thread.name for thread in threading.enumerate()})


def test_a_credentials_file_has_to_be_there(tmp_path: Path) -> None:
    """At the start, where a person sees it."""
    with pytest.raises(ConfigurationError, match=r"key\.json: No such file"):
        PubsubSource(PubsubSourceSettings(subscription=SUBSCRIPTION, credentials_file=str(tmp_path / "key.json")))


AMAZON = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws",
    "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {
        "environment_id": "aws1",
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    },
}
OTHER = {**AMAZON, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": {"file": "/run/token"}}


def service_account() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    mail = "w@p.iam.gserviceaccount.com"
    return {"type": "service_account", "client_email": mail, "private_key": pem, "token_uri": "https://oauth2.googleapis.com/token"}


@pytest.mark.parametrize("content", [service_account, lambda: AMAZON, lambda: OTHER], ids=["key", "amazon", "pool"])
def test_credentials_are_of_the_kinds_that_google_writes(tmp_path: Path, content: Callable[[], dict[str, str]]) -> None:
    """A service account's key, and both kinds of a workload's identity."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps(content()))
    assert of_file(str(path)) is not None


NO_CREDENTIALS = ["", "[]", "{}", '"secret"', '{"type": "service_account"}', '{"type": "authorized_user"}', '{"type": []}']


@pytest.mark.parametrize("content", NO_CREDENTIALS)
async def test_credentials_that_are_none_are_told(tmp_path: Path, content: str) -> None:
    """Without a word of what is in the file, which is read again at the next attempt."""
    path = tmp_path / "key.json"
    path.write_text(content)
    source = PubsubSource(PubsubSourceSettings(name="main", subscription=SUBSCRIPTION, credentials_file=str(path)))
    async with listening(source, open_intake()):
        await until(lambda: "no credentials in" in source.health.problem)
        assert not source.health.connected
        assert "secret" not in source.health.problem
