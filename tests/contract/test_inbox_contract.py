"""What is true of whatever events are put into: a backlog, and the double that only remembers."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.inboxes import RecordingInbox
from watcher.backlog.protocol import Arrival, Fate, Inbox, Receipt
from watcher.backlog.sqlite import SqliteBacklog
from watcher.model.digest import Digest
from watcher.model.push import Decision, Deleted, Handshake, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host, RepositoryName, Tag

HOST, APP = Host("registry.example.com"), RepositoryName("team/app")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Inbox]:
    async with open_database(folder / "w.db") as database:
        yield SqliteBacklog(database, HandClock())


@asynccontextmanager
async def _recording(_: Path) -> AsyncIterator[Inbox]:
    yield RecordingInbox()


INBOXES: Mapping[type, Callable[[Path], AbstractAsyncContextManager[Inbox]]] = {
    SqliteBacklog: _sqlite,
    RecordingInbox: _recording,
}


@pytest.fixture(params=INBOXES)
async def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Inbox]:
    async with INBOXES[request.param](tmp_path) as opened:
        assert type(opened) is request.param
        yield opened


def push(letter: str) -> Pushed:
    return Pushed(push=Push(registry=HOST, repository=APP, digest=Digest("sha256:" + letter * 64)))


def arrival(decision: Decision, key: str | None = None, *, source: str = "main", job_id: str | None = None) -> Arrival:
    return Arrival(source=source, decision=decision, delivery_key=key, received_at=NOW, job_id=job_id)


async def test_every_arrival_has_a_receipt_in_its_place(inbox: Inbox) -> None:
    """Pushes become jobs of their own; what is no push is none, and says why."""
    first, *others, last = await inbox.put(
        [
            arrival(push("a"), "1"),
            arrival(Ignored(reason="pull"), "2"),
            arrival(Rejected(reason="invalid-json"), "3"),
            arrival(Handshake(), "4"),
            arrival(Deleted(registry=HOST, repository=APP, tag=Tag("v1")), "5"),
            arrival(push("b"), "6"),
        ]
    )
    assert others == [
        Receipt(fate=Fate.IGNORED, reason="pull"),
        Receipt(fate=Fate.REJECTED, reason="invalid-json"),
        Receipt(fate=Fate.IGNORED, reason="handshake"),
        Receipt(fate=Fate.IGNORED, reason="delete"),
    ]
    assert (first.fate, last.fate) == (Fate.ACCEPTED, Fate.ACCEPTED)
    assert first.job_id
    assert last.job_id
    assert first.job_id != last.job_id
    assert list(await inbox.put([])) == []


async def test_a_delivery_is_repeated_by_its_source_only(inbox: Inbox) -> None:
    """In one batch or in two, it leads to the job of the first; another source's key is another delivery."""
    first, again = await inbox.put([arrival(push("a"), "k"), arrival(push("a"), "k")])
    assert again == Receipt(fate=Fate.DUPLICATE, reason="delivery", job_id=first.job_id)
    assert list(await inbox.put([arrival(push("a"), "k")])) == [again]
    (other,) = await inbox.put([arrival(push("b"), "k", source="second")])
    assert other.fate is Fate.ACCEPTED
    assert other.job_id != first.job_id


async def test_a_job_has_the_id_that_was_asked_for(inbox: Inbox) -> None:
    """Whoever submits an image can ask for it before the answer came."""
    (receipt,) = await inbox.put([arrival(push("a"), "k", job_id="mine")])
    assert receipt == Receipt(fate=Fate.ACCEPTED, job_id="mine")
