"""What is true of whatever a publisher's steps are noted in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.publishing import Notes
from tests.doubles.routes import sending
from tests.doubles.verdicts import a_verdict
from watcher.cli.notify import OnlyAttempt
from watcher.pipeline.announce import Noted
from watcher.publishing.protocol import Progress
from watcher.store.outbox import LEASE, StoredOutbox
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts


@dataclass(kw_only=True)
class Attempts:
    """`next_one` gives the progress that the next attempt at the same publication finds, as if the last had been killed."""

    next_one: Callable[[], Awaitable[Progress]]


@asynccontextmanager
async def _announced(folder: Path) -> AsyncIterator[Attempts]:
    clock = HandClock()
    async with open_database(folder / "w.db") as database:
        outbox = StoredOutbox(database, clock)
        await StoredVerdicts(database, clock).record([Judged(verdict=a_verdict())], sending({"v-1": ["log"]}))

        async def next_one() -> Progress:
            clock.advance((LEASE + timedelta(seconds=1)).total_seconds())
            (publication,) = await outbox.due(1)
            return Noted(outbox, publication)

        yield Attempts(next_one=next_one)


def _in_memory(kept_in: type[Notes | OnlyAttempt]) -> Callable[[Path], AbstractAsyncContextManager[Attempts]]:
    @asynccontextmanager
    async def opened(_: Path) -> AsyncIterator[Attempts]:
        notes = kept_in()

        async def next_one() -> Progress:
            nonlocal notes
            notes = kept_in(notes.noted)
            return notes

        yield Attempts(next_one=next_one)

    return opened


PROGRESSES: Mapping[type, Callable[[Path], AbstractAsyncContextManager[Attempts]]] = {
    Noted: _announced,
    Notes: _in_memory(Notes),
    OnlyAttempt: _in_memory(OnlyAttempt),
}


@pytest.fixture(params=PROGRESSES)
async def attempts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Attempts]:
    async with PROGRESSES[request.param](tmp_path) as opened:
        assert type(await opened.next_one()) is request.param
        yield opened


async def test_the_next_attempt_finds_what_was_noted_last(attempts: Attempts) -> None:
    """Nothing at first; and each note takes the place of the one before, for the attempt that makes it as well."""
    first = await attempts.next_one()
    assert first.noted == ""
    await first.note("tagged")
    await first.note("signed")
    assert first.noted == "signed"
    second = await attempts.next_one()
    assert second.noted == "signed"
    await second.note("")
    assert (await attempts.next_one()).noted == ""


async def test_notes_are_names_and_no_content(attempts: Attempts) -> None:
    """What is too long is refused, and what was noted before it stays."""
    first = await attempts.next_one()
    await first.note("x" * 4096)
    with pytest.raises(ValueError, match="4097"):
        await first.note("y" * 4097)
    assert first.noted == "x" * 4096
    assert (await attempts.next_one()).noted == "x" * 4096
