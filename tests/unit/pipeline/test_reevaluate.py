"""What was judged is judged again when what its verdict rests on became another."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.changes import WrittenChanges
from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.inventories import an_inventory
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.backlog.protocol import Done, Job, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.image import OCI_INDEX
from watcher.model.inventory import Distro, Package, PackageRecord
from watcher.model.verdict import Outcome
from watcher.pipeline.environments import EnvironmentSettings
from watcher.pipeline.reevaluate import Reevaluation
from watcher.pipeline.reevaluate_settings import ReevaluateSettings
from watcher.store.holders import StoredPackageIndex
from watcher.store.protocol import Judged
from watcher.store.standing import StoredStanding
from watcher.store.verdicts import StoredVerdicts

DAY = timedelta(days=1)
CURL = ("deb", "curl", "debian:12")


def a_digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064}")


@dataclass
class Bench:
    """Images are told by numbers. `put` gives what was put into the backlog since it was asked last."""

    database: Database
    backlog: SqliteBacklog
    verdicts: StoredVerdicts
    clock: HandClock
    changes: WrittenChanges = field(default_factory=WrittenChanges)
    policy: str = "p1"
    counted: list[tuple[str, int]] = field(default_factory=list)
    recorded: int = 0

    def reevaluation(self, **settings: Any) -> Reevaluation:
        standing = StoredStanding(self.database)
        return Reevaluation(
            settings=ReevaluateSettings(**settings),
            inbox=self.backlog,
            standing=standing,
            packages=StoredPackageIndex(self.database),
            marks=standing,
            advisories=self.changes,
            policy_revision=lambda: self.policy,
            environments=[EnvironmentSettings(name="production", images=("registry.example.com/team/**",))],
            clock=self.clock,
            counted=lambda cause, images: self.counted.append((cause, images)),
        )

    async def record(self, number: int, *packages: str, version: str = "12", **said: Any) -> None:
        self.recorded += 1
        held = [PackageRecord(type="deb", name=name, version="1", source=name, purl=f"pkg:deb/{name}@1") for name in packages]
        inventory = an_inventory(
            digest=a_digest(number),
            packages=tuple(Package(record=each, path="p", layer=0) for each in held),
            distro=Distro(id="debian", version=version, known=True),
        )
        subject = replace(said.pop("subject", SUBJECT), digest=a_digest(number))
        verdict = a_verdict(id=f"v-{self.recorded}", subject=subject, **said)
        await self.verdicts.record([Judged(verdict=verdict, inventory=inventory if packages else None)], nobody)

    async def jobs(self) -> Sequence[Job]:
        found: list[Job] = []
        while leased := await self.backlog.lease((Lane.REEVALUATE,), 100):
            found += leased
            for job in leased:
                await self.backlog.settle(job, Done(result="pass"))
        return found

    async def put(self) -> list[int]:
        return sorted(int((job.push.digest or "").removeprefix("sha256:")) for job in await self.jobs())


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = HandClock(MOMENT)
    async with open_database(tmp_path / "watcher.db") as database:
        yield Bench(database, SqliteBacklog(database, clock), StoredVerdicts(database, clock), clock)


async def test_a_first_start_judges_nothing_again(bench: Bench) -> None:
    """What there is was judged by what there is."""
    await bench.record(1, "curl")
    assert await bench.reevaluation().look() == 0
    assert await bench.put() == []


async def test_other_policies_concern_every_image(bench: Bench) -> None:
    """Once; and not those that are gone, or cannot run."""
    await bench.record(1, "curl")
    await bench.record(2, "bash")
    await bench.record(3, outcome=Outcome.NOT_APPLICABLE)
    await bench.record(4, outcome=Outcome.UNKNOWN, reason="not-found: it is not there")
    loop = bench.reevaluation()
    await loop.look()
    bench.policy = "p2"
    assert await loop.look() == 2
    assert await bench.put() == [1, 2]
    assert await loop.look() == 0
    assert bench.counted == [("policy", 2)]


async def test_other_policies_while_nobody_ran_are_noticed(bench: Bench) -> None:
    await bench.record(1, "curl")
    await bench.reevaluation().look()
    bench.policy = "p2"
    await bench.reevaluation().look()
    assert await bench.put() == [1]


async def test_the_first_data_concern_every_image(bench: Bench) -> None:
    """All of them were judged without."""
    await bench.record(1, "curl")
    await bench.record(2, "bash")
    loop = bench.reevaluation()
    await loop.look()
    bench.changes.steps.append([CURL])
    assert await loop.look() == 2
    assert bench.counted == [("all-advisories", 2)]


async def test_other_data_concern_the_images_that_hold_the_package(bench: Bench) -> None:
    """Of that distribution's release."""
    await bench.record(1, "curl")
    await bench.record(2, "bash")
    await bench.record(3, "curl", version="11")
    bench.changes.steps.append([])
    loop = bench.reevaluation()
    await loop.look()
    await bench.put()
    bench.changes.steps.append([CURL])
    bench.clock.advance(1)
    assert await loop.look() == 1
    assert await bench.put() == [1]
    assert bench.counted[-1] == ("advisories", 1)


async def test_data_that_began_anew_concern_every_image(bench: Bench) -> None:
    await bench.record(1, "bash")
    bench.changes.steps.append([])
    loop = bench.reevaluation()
    await loop.look()
    await bench.put()
    bench.changes.steps.append(None)
    assert await loop.look() == 1


async def test_time_concerns_every_image(bench: Bench) -> None:
    """Whenever it has passed, also while nobody ran; and from when everything was judged again for another cause."""
    await bench.record(1, "curl")
    loop = bench.reevaluation()
    await loop.look()
    bench.clock.advance(DAY.total_seconds() - 1)
    assert await loop.look() == 0
    bench.policy = "p2"
    assert await loop.look() == 1
    bench.clock.advance(DAY.total_seconds() - 1)
    assert await loop.look() == 0
    bench.clock.advance(1)
    assert await bench.reevaluation().look() == 1
    assert [cause for cause, _ in bench.counted] == ["policy", "schedule"]


async def test_each_cause_can_be_switched_off(bench: Bench) -> None:
    """What was passed over is not made up for later."""
    await bench.record(1, "curl")
    off = bench.reevaluation(every="0s", on_policy_change=False, on_advisory_change=False)
    await off.look()
    bench.policy = "p2"
    bench.changes.steps.append([CURL])
    bench.clock.advance(10 * DAY.total_seconds())
    assert await off.look() == 0
    assert await bench.reevaluation(every="0s").look() == 0


async def test_an_image_of_an_index_is_judged_with_its_index(bench: Bench) -> None:
    """With the outermost that lists it, once however many of its images are concerned."""
    await bench.record(1, "curl", index_digest=a_digest(10))
    await bench.record(2, "curl", index_digest=a_digest(10))
    await bench.record(10, media_type=OCI_INDEX, platform=None, index_digest=a_digest(11))
    await bench.record(11, media_type=OCI_INDEX, platform=None)
    bench.changes.steps.append([])
    loop = bench.reevaluation()
    await loop.look()
    assert await bench.put() == [11]
    bench.changes.steps.append([CURL])
    bench.clock.advance(3600)
    assert await loop.look() == 1


async def test_a_subject_keeps_the_environment_it_was_judged_for(bench: Bench) -> None:
    """Where that is not the one of the configuration, as of an image that CI asked about."""
    await bench.record(1, "curl")
    await bench.record(1, "curl", subject=replace(SUBJECT, environment="staging"))
    loop = bench.reevaluation()
    await loop.look()
    bench.policy = "p2"
    assert await loop.look() == 2
    assert {job.environment for job in await bench.jobs()} == {None, "staging"}


async def test_many_images_are_many_jobs_and_no_events(bench: Bench) -> None:
    """The inbox has what was heard; of this nobody told."""
    for number in range(1, 251):
        await bench.record(number, "curl")
    loop = bench.reevaluation()
    await loop.look()
    bench.policy = "p2"
    assert await loop.look() == 250
    assert len(await bench.put()) == 250
    assert await bench.backlog.events(limit=10) == []


async def test_what_was_cut_off_is_put_again(bench: Bench) -> None:
    """How far it came is noted at the end; what is put twice is one job."""
    await bench.record(1, "curl")
    loop = bench.reevaluation()
    await loop.look()
    bench.policy = "p2"

    cut = replace(loop, marks=Cut(bench.database, bench.policy))
    with pytest.raises(KeyboardInterrupt):
        await cut.look()
    assert await loop.look() == 1
    assert await bench.put() == [1]


async def test_policies_that_came_back_are_other_policies(bench: Bench) -> None:
    """Something was judged by those in between, even if that was cut off."""
    await bench.record(1, "curl")
    loop = bench.reevaluation()
    await loop.look()
    bench.policy = "p2"
    with pytest.raises(KeyboardInterrupt):
        await replace(loop, marks=Cut(bench.database, bench.policy)).look()
    await bench.put()
    bench.policy = "p1"
    assert await loop.look() == 1
    assert await loop.look() == 0


class Cut(StoredStanding):
    """The process ends before it can note that it came so far."""

    def __init__(self, database: Database, last: str) -> None:
        super().__init__(database)
        self._last = last

    async def put_mark(self, name: str, value: str) -> None:
        if value == self._last:
            raise KeyboardInterrupt
        await super().put_mark(name, value)
