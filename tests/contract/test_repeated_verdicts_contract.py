"""What every store keeps of images that are judged again and again, whatever keeps it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import sending
from tests.doubles.verdicts import FINDING, IMAGE, MOMENT, SUBJECT, a_verdict
from watcher.inspection.image.merge import merged_files
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.publication import Published
from watcher.model.reference import Tag
from watcher.model.verdict import REEVALUATION, Origin, Outcome, Section, SectionState
from watcher.store.images import StoredImages
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import ImageReader, Judged, Outbox, SubjectFilter, VerdictGoneError, VerdictStore
from watcher.store.tables import findings
from watcher.store.verdicts import StoredVerdicts

AGAIN = Origin(source=REEVALUATION, received_at=MOMENT)
AN_INDEX, ANOTHER_INDEX = Digest("sha256:" + "a" * 64), Digest("sha256:" + "b" * 64)


@dataclass(frozen=True, kw_only=True)
class Bench:
    verdicts: VerdictStore
    images: ImageReader
    outbox: Outbox
    database: Database

    async def push(self, verdict_id: str, *publishers: str, **said: Any) -> None:
        verdict = a_verdict(id=verdict_id, **said)
        await self.verdicts.record([Judged(verdict=verdict)], sending({verdict_id: publishers}))

    async def again(self, verdict_id: str, *publishers: str, **said: Any) -> None:
        await self.push(verdict_id, *publishers, **{"origin": AGAIN, **said})

    async def kept(self) -> list[str]:
        """Oldest first."""
        return [said.id for said in await self.images.verdicts(IMAGE)][::-1]


@pytest.fixture(params=["sqlite"])
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = HandClock()
    async with open_database(tmp_path / "watcher.db") as database:
        yield Bench(
            verdicts=StoredVerdicts(database, clock),
            images=StoredImages(database, merged_files),
            outbox=StoredOutbox(database, clock),
            database=database,
        )


async def test_a_year_of_nothing_new_leaves_one_verdict_more(bench: Bench) -> None:
    """The push's own, which is found by its id as before, and the last that repeated it."""
    await bench.push("push")
    for day in range(20):
        await bench.again(f"day-{day}")
    assert await bench.kept() == ["push", "day-19"]
    assert [said.id for said in await bench.images.newest(SubjectFilter())] == ["day-19"]
    assert await bench.verdicts.verdict("day-18") is None
    assert await bench.verdicts.verdict("push") is not None


async def test_every_change_stays(bench: Bench) -> None:
    """With when it came, though nobody was told of it."""
    await bench.push("push")
    for number, outcome in enumerate([*[Outcome.FAIL] * 3, *[Outcome.WARN] * 4, *[Outcome.FAIL] * 2]):
        await bench.again(f"day-{number}", outcome=outcome)
    # Those that changed something are day-3 and day-7; before each, the last that repeated.
    assert await bench.kept() == ["push", "day-2", "day-3", "day-6", "day-7", "day-8"]


async def test_what_somebody_asked_for_stays(bench: Bench) -> None:
    """A push is told by its verdict's id, and so is CI."""
    await bench.push("push")
    await bench.push("pushed-again")
    await bench.again("day-1")
    await bench.push("asked", origin=Origin(source="api", received_at=MOMENT))
    await bench.push("unknown", origin=None)
    await bench.again("day-2")
    await bench.again("day-3")
    assert await bench.kept() == ["push", "pushed-again", "asked", "unknown", "day-3"]


async def test_what_somebody_was_told_stays(bench: Bench) -> None:
    """Also when he has it: a message is looked up by its verdict's id."""
    await bench.push("push")
    await bench.again("told", "log")
    for due in await bench.outbox.due(1):
        await bench.outbox.settle(due, Published())
    await bench.again("day-1")
    await bench.again("day-2")
    assert await bench.kept() == ["push", "told", "day-2"]


async def test_an_image_of_two_indexes_stays_one_of_both(bench: Bench) -> None:
    """Each judges it again, and each time says by which it was."""
    await bench.push("push")
    for day in range(3):
        await bench.again(f"a-{day}", index_digest=AN_INDEX)
        await bench.again(f"b-{day}", index_digest=ANOTHER_INDEX)
    assert await bench.kept() == ["push", "a-2", "b-2"]


async def test_other_names_are_no_repetition(bench: Bench) -> None:
    """What a tag named is told by the newest verdict that was given under it."""
    await bench.push("push")
    await bench.again("before")
    moved = replace(SUBJECT, tags=(Tag("v2"),))
    await bench.again("after", subject=moved, tag=Tag("v2"))
    await bench.again("later", subject=moved, tag=Tag("v2"))
    assert await bench.kept() == ["push", "before", "later"]


async def test_another_subject_loses_nothing(bench: Bench) -> None:
    await bench.push("push")
    await bench.again("here")
    elsewhere = replace(SUBJECT, environment="staging")
    await bench.push("there", subject=elsewhere)
    await bench.again("there-again", subject=elsewhere)
    assert await bench.kept() == ["push", "here", "there", "there-again"]


async def test_findings_that_nobody_has_any_more_go_too(bench: Bench) -> None:
    """The same findings in other words are a repetition, and would be kept once a day."""
    await bench.push("push", findings=(FINDING,))
    for day in range(5):
        stale = Section(state=SectionState.STALE, reason=f"{day} days old")
        worded = replace(FINDING, message=f"for {day} days")
        await bench.again(f"day-{day}", findings=(worded,), sections={"vulnerabilities": stale})
    assert await bench.kept() == ["push", "day-4"]
    count = select(func.count()).select_from(findings)
    assert await bench.database.read(lambda connection: connection.execute(count).scalar_one()) == 2
    said = await bench.verdicts.verdict("day-4")
    assert said is not None
    assert said.findings[0].message == "for 4 days"


async def test_recorded_twice_it_takes_one_place(bench: Bench) -> None:
    await bench.push("push")
    await bench.again("day-1")
    await bench.again("day-2")
    await bench.again("day-2")
    assert await bench.kept() == ["push", "day-2"]


async def test_a_list_does_not_go_on_from_what_is_gone(bench: Bench) -> None:
    """It says so: it must not look as if it had come to its end."""
    await bench.push("push")
    await bench.again("day-1")
    await bench.again("day-2")
    with pytest.raises(VerdictGoneError, match="day-1"):
        await bench.images.verdicts(IMAGE, before="day-1")
    with pytest.raises(VerdictGoneError, match="day-1"):
        await bench.images.newest(SubjectFilter(), before="day-1")
    assert [said.id for said in await bench.images.verdicts(IMAGE, before="day-2")] == ["push"]
