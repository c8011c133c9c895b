"""What senders do with our answers: nothing that we do wrong, and nothing that we do not understand, costs a later event."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from tests.doubles.inboxes import FullDiskError
from tests.doubles.receiver import Receiver, running_receiver
from tests.doubles.scripted_server import scripted_server
from tests.doubles.virtual_time import now, virtual_time
from watcher.dialects.catalog import build_dialect
from watcher.dialects.generic import GenericMapping
from watcher.kit.clock import utc_now
from watcher.model.push import Pushed, Rejected
from watcher.sources.condition import Condition
from watcher.sources.patience import Patience
from watcher.sources.protocol import Accepted
from watcher.sources.webhook import MAX_WAITING, PAUSES, WebhookSource
from watcher.sources.webhook_settings import WebhookSourceSettings
from watcher.testing.senders import payloads
from watcher.testing.senders.announcement import Announcement, Request
from watcher.testing.senders.catalog import senders
from watcher.testing.senders.sender import Sender
from watcher.testing.senders.sns_topic import CERTIFICATE_NAME, SigningTopic
from watcher.testing.senders.token_issuer import TokenIssuer

pytestmark = [pytest.mark.enable_socket, pytest.mark.untraced]

SECRET = "s3cret-of-the-hook"
AUDIENCE = "https://watcher.example.com/hooks/gar"
# Keys take their time to be made.
ISSUER, ANOTHER_ISSUER = TokenIssuer(AUDIENCE), TokenIssuer(AUDIENCE)
TOPIC, ANOTHER_TOPIC = SigningTopic(utc_now), SigningTopic(utc_now)
NAMES = sorted(senders(ISSUER, TOPIC, issuer_url="https://i", topic_url="https://t"))
# The others try once, or nobody knows.
REPEAT = {
    "distribution",
    "gitlab",
    "harbor",
    "harbor-cloudevents",
    "quay",
    "eventgrid",
    "eventgrid-cloudevents",
    "ecr-sns",
    "ecr-api-destination",
    "gar",
}
TOLD_AT_ONCE = {"distribution", "gitlab", "eventgrid", "eventgrid-cloudevents", "gar"}
IMAGE = Announcement(host="registry.example.com", repository="team/app", tag="v1", digest="sha256:" + "1" * 64, manifest="{}")


@dataclass
class Street:
    """One sender, a stranger who speaks as it does, and the source that hears both."""

    receiver: Receiver
    sender: Sender
    stranger: Sender
    url: str

    @property
    def decisions(self) -> list[object]:
        return [arrival.decision for arrival in self.receiver.backlog.arrivals]

    async def tell(self, sender: Sender, secret: str = SECRET) -> bool:
        return await sender.tell(self.receiver.api.session, self.url, IMAGE, secret)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> AsyncIterator[Street]:
    """Where nobody is kept waiting."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    async with a_street(tmp_path, name, waits_seconds=0.0) as found:
        yield found


@pytest.fixture
async def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> AsyncIterator[Street]:
    """Where everybody may be kept waiting for as long as they are known to wait."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    async with a_street(tmp_path, name) as found:
        yield found


@asynccontextmanager
async def a_street(directory: Path, name: str, waits_seconds: float | None = None) -> AsyncIterator[Street]:
    files = {"/certs": json.dumps(ISSUER.keys()).encode(), f"/{CERTIFICATE_NAME}": TOPIC.pem}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=files[request.path])

    async with scripted_server(answer) as keys:
        urls = {"issuer_url": f"{keys.url}/certs", "topic_url": keys.url}
        sender = senders(ISSUER, TOPIC, **urls)[name]
        stranger = senders(ANOTHER_ISSUER, ANOTHER_TOPIC, **urls)[name]
        mapping = GenericMapping(image="$.image") if sender.dialect == "generic" else None
        given = {"name": name, "dialect": sender.dialect, "aliases": ["*"], "auth": msgspec.yaml.decode(sender.auth)}
        settings = msgspec.convert({**given, "registry": IMAGE.host, "type": "webhook"}, WebhookSourceSettings)
        source = WebhookSource(settings, max_body_bytes=65536, waits_seconds=waits_seconds)
        async with running_receiver(directory, [source], {name: build_dialect(sender.dialect, mapping)}) as receiver:
            yield Street(receiver, sender, stranger, f"{receiver.api.url}/hooks/{name}")


async def test_what_it_tells_is_taken_in_at_the_first_attempt(street: Street) -> None:
    """In its own words, with its own proof, answered in its own terms."""
    assert await street.tell(street.sender)
    (decision,) = street.decisions
    assert isinstance(decision, Pushed)
    assert (decision.push.repository, decision.push.tag) == (IMAGE.repository, IMAGE.tag)
    assert len(street.sender.statuses) == 1


async def test_what_is_not_understood_is_a_success(street: Street) -> None:
    """It is recorded: refused, distribution would repeat it for ever, Quay would switch itself off, and SNS drop it unseen."""
    request = street.sender.prove(Request(body=b"no json", headers=payloads.JSON), SECRET)
    for _ in range(4):
        assert await street.sender.send(street.receiver.api.session, street.url, request)
    assert len(street.sender.statuses) == 4
    assert all(isinstance(decision, Rejected) for decision in street.decisions)
    assert street.decisions


async def test_our_own_trouble_is_waited_out_by_who_can_wait(street: Street, name: str) -> None:
    """Two attempts meet a store that cannot be written."""
    street.receiver.backlog.broken = True
    telling = asyncio.create_task(street.tell(street.sender))
    while len(street.sender.statuses) < 2 and not telling.done():
        await asyncio.sleep(0.001)
    street.receiver.backlog.broken = False
    told = await telling
    assert set(street.sender.statuses[:2]) == {503}
    assert told == (name in REPEAT)
    assert len(street.decisions) == told
    assert street.sender.is_on


async def test_a_moment_of_trouble_is_waited_out_for_who_cannot(patient: Street, name: str) -> None:
    """The one attempt of a sender that tells once is answered when the store is back; who comes again anyway is told to."""
    inbox = patient.receiver.backlog
    inbox.broken = True
    telling = asyncio.create_task(patient.tell(patient.sender))
    while inbox.refused < 1:
        await asyncio.sleep(0.001)
    inbox.broken = False
    assert await telling
    assert (503 in patient.sender.statuses) == (name in TOLD_AT_ONCE)
    assert len(patient.decisions) == 1


@pytest.mark.parametrize("name", ["ghcr"])
async def test_nobody_is_kept_waiting_by_a_source_that_stops(patient: Street) -> None:
    """The store is still broken: 503, long before the sender gives up."""
    inbox = patient.receiver.backlog
    inbox.broken = True
    telling = asyncio.create_task(patient.tell(patient.sender))
    while inbox.refused < 1:
        await asyncio.sleep(0.001)
    patient.receiver.stop_sources()
    assert not await telling
    assert patient.sender.statuses == [503]
    assert inbox.refused < 8


@virtual_time
async def test_no_more_bodies_are_held_than_there_is_room_for() -> None:
    """Who comes beyond is told at once, whatever the sender."""
    begun = now()
    patience = Patience(Condition("main", utc_now), 8.0, pauses=PAUSES, most_waiting=MAX_WAITING)

    async def full() -> Accepted:
        raise FullDiskError("disk full")

    async def told_after() -> float:
        with pytest.raises(FullDiskError):
            await patience.stored(full)
        return now() - begun

    waited = await asyncio.gather(*(told_after() for _ in range(MAX_WAITING + 6)))
    assert [round(each) for each in waited] == [8] * MAX_WAITING + [0] * 6


async def test_a_stranger_is_refused_whatever_it_says(street: Street) -> None:
    """Another secret, another issuer, another topic's key: 401, and nothing of it is kept."""
    telling = asyncio.create_task(street.tell(street.stranger, "another"))
    while not street.stranger.statuses:
        await asyncio.sleep(0.001)
    telling.cancel()
    assert set(street.stranger.statuses) == {401}
    assert street.decisions == []
