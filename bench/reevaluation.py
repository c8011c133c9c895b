"""Everything that was judged, judged again: `python bench/reevaluation.py [--images 10000] [--days 2]`.

The daemon itself in this process, over a store of images with 300 packages each, and a registry that gets one more image in the
middle of it. It prints

- how long it takes from the import of 100 changed advisories until the images that hold one of their packages are found, and
  until there is a job for each;
- how many images a second are judged again because of other policies, beside what the policies alone take for the same images;
- how long that push waits for its verdict meanwhile, beside one while nothing else is done;
- what a day on which nothing has changed adds to the store.

It ends with 1 where the affected images are not found in time.
"""

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from bench.fleet import Fleet, fill, import_advisories
from bench.results import Result, told
from watcher import settings as configuration
from watcher.backlog.protocol import Lane
from watcher.daemon import Daemon, assembled
from watcher.evaluation.protocol import Case
from watcher.kit.clock import utc_now
from watcher.kit.telemetry import configure_logging
from watcher.model.moments import iso
from watcher.model.push import Push
from watcher.model.reference import RepositoryName, Tag
from watcher.store.protocol import PackageName
from watcher.store.tables import verdict
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry

IMAGES, CHANGED = 10_000, 100
FINDING_BUDGET_SECONDS = 1.0
# Cases that the policies are asked about with nothing else around them.
ALONE = 40
CONFIGURATION = """\
server: {{port: 0}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
registries: [{{host: "{registry}"}}]
sources: []
policies: {{packs: [baseline, vulnerabilities]}}
publish: []
"""
# As policies that came into force since.
OTHER = "other"


class Found(NamedTuple):
    """How many images are concerned, in how many seconds they are found and, found once more, have jobs; and what that used."""

    images: int
    finding: float
    jobs: float
    processor: float


@dataclass(slots=True, kw_only=True)
class World:
    daemon: Daemon
    registry: MemoryRegistry
    fleet: Fleet
    folder: Path
    pushed: int = 0

    async def waiting(self) -> int:
        """Jobs of the lane that are not done."""
        jobs = (await self.daemon.storage.jobs.depth()).jobs
        return sum(count for (lane, state), count in jobs.items() if lane == Lane.REEVALUATE and state in {"waiting", "leased"})

    async def found(self, changed: Sequence[int], fixed: int) -> Found:
        """Have some advisories changed, and their images put among the jobs."""
        known = self.daemon.reevaluation
        before = await known.advisories.revision()
        await asyncio.to_thread(import_advisories, self.folder, changed, fixed=fixed)
        began = time.perf_counter()
        await known.advisories.revision()
        names = await known.advisories.changed_since(before) or ()
        await known.packages.holders([PackageName(type=kind, name=name, distro=distro) for kind, name, distro in names])
        finding, began, used = time.perf_counter() - began, time.perf_counter(), time.process_time()
        images = await known.look()
        return Found(images, finding, time.perf_counter() - began, time.process_time() - used)

    async def forget(self) -> None:
        """Judge nothing of what was found: it was found to see how long that takes."""

        def run(connection: Connection) -> None:
            connection.exec_driver_sql("DELETE FROM job WHERE state = 'waiting'")

        await self.daemon.storage.standing._database.write(run)

    async def push(self) -> float:
        """Seconds from when an image is announced to its verdict."""
        self.pushed += 1
        layer = build_layer({"app/number": str(self.pushed), "etc/passwd": "app:x:1000:1000::/:/bin/sh\n"})
        digest = put_image(self.registry, "pushed/app", build_image([layer], config={"User": "1000"}), f"p{self.pushed}")
        push = Push(registry=self.registry.host, repository=RepositoryName("pushed/app"), tag=Tag(f"p{self.pushed}"), digest=digest)
        began = time.perf_counter()
        await self.daemon.intake.submit("bench", push, environment=None)
        while await self.daemon.storage.verdicts.latest(digest) is None:  # noqa: ASYNC110  as whoever asks from outside
            await asyncio.sleep(0.01)
        return time.perf_counter() - began

    async def judged_again(self, *, pushing: bool = False) -> tuple[float, int, list[float]]:
        """Seconds until everything is, how many images that were, and what pushes waited meanwhile."""
        await self.daemon.storage.standing.put_mark("policy", OTHER)
        began, waits = time.perf_counter(), list[float]()
        images = await self.daemon.reevaluation.look()
        while left := await self.waiting():
            if pushing and left < images * 0.9 and len(waits) < 5:
                waits.append(await self.push())
            await asyncio.sleep(0.2)
        return time.perf_counter() - began, images, waits

    async def alone(self) -> float:
        """Images a second of the policies by themselves."""
        cases = [await self._case(number) for number in range(min(ALONE, self.fleet.images))]
        evaluator = self.daemon.evaluator
        began = time.perf_counter()
        for first in range(0, len(cases), 4):
            await asyncio.gather(*(evaluator.evaluate(case) for case in cases[first : first + 4]))
        return len(cases) / (time.perf_counter() - began)

    async def _case(self, number: int) -> Case:
        subject = self.fleet.judged(number, utc_now()).verdict.subject
        inventory = await self.daemon.storage.images.inventory(subject.digest)
        assert inventory is not None
        gathering = self.daemon.jobs.work.__self__.judging.gathering  # type: ignore[attr-defined]  # the judge's own
        return Case(subject=subject, now=utc_now(), inventory=inventory, knowledge=await gathering.known(subject, inventory))

    async def stored(self) -> tuple[int, int]:
        """Bytes in use, and verdicts."""

        def run(connection: Connection) -> tuple[int, int]:
            pages, free, size = (
                int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
                for name in ("page_count", "freelist_count", "page_size")
            )
            return (pages - free) * size, int(connection.execute(select(func.count()).select_from(verdict)).scalar_one())

        return await self.daemon.storage.standing._database.read(run)


@asynccontextmanager
async def opened(folder: Path, fleet: Fleet, registry: MemoryRegistry) -> AsyncIterator[World]:
    path = folder / "watcher.yaml"
    path.write_text(CONFIGURATION.format(folder=folder, registry=registry.host))
    async with assembled(configuration.load(path), folder=folder) as daemon:
        source, standing = daemon.reevaluation.advisories, daemon.storage.standing
        now = {"policy": daemon.evaluator.revision, "advisories": await source.revision(), "schedule": iso(utc_now())}
        for name, value in now.items():
            await standing.put_mark(name, value)
        yield World(daemon=daemon, registry=registry, fleet=fleet, folder=folder)


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    """With its loops; that of re-evaluation looks when it is told to."""
    running = asyncio.create_task(replace(world.daemon, reevaluation=_Still()).run())  # type: ignore[arg-type]
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


class _Still:
    async def run(self) -> None:
        await asyncio.Event().wait()


async def measure(world: World, days: int) -> int:
    fleet = world.fleet
    changes = [range(step * CHANGED, (step + 1) * CHANGED) for step in range(3)]
    found = [await world.found(changed, fixed=25 + step) for step, changed in enumerate(changes)]
    finding, jobs, processor = (float(statistics.median(column)) for column in list(zip(*found, strict=True))[1:])
    print(f"{CHANGED} changed advisories: {[each.images for each in found]} images are concerned, found in {finding * 1000:.0f} ms")
    print(f"  a job each after {jobs * 1000:.0f} ms, ratio {jobs / finding:.1f}; {processor * 1000:.0f} ms of processor (medians)")
    budget = FINDING_BUDGET_SECONDS * max(1.0, fleet.images / IMAGES)
    results = [
        Result(what=f"images concerned by {CHANGED} advisories, of {fleet.images}", unit="s", ours=finding, most=budget),
    ]
    await world.forget()
    async with working(world):
        idle = statistics.median([await world.push() for _ in range(5)])
        alone = await world.alone()
        used = time.process_time()
        took, count, waits = await world.judged_again(pushing=True)
        rate, shared = count / took, (time.process_time() - used) / count
        print(f"judged again: {count} images in {took:.1f} s")
        what = "stored images judged again"
        results.append(Result(what=what, unit="images/s", ours=rate, against="the policies alone", other=alone))
        print(f"  {shared * 1000:.0f} ms of processor for each in the daemon's process; those that evaluate come on top")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  peak memory of the daemon's process, with the registry of this bench in it: {peak:.0f} MiB")
        if waits:
            print(f"a push meanwhile at most {max(waits):.2f} s")
            what = "push to verdict, while all are judged again"
            results.append(Result(what=what, unit="s", ours=statistics.median(waits), against="alone", other=idle))
        for day in range(1, days + 1):
            before = await world.stored()
            await world.judged_again()
            after = await world.stored()
            grown = (after[0] - before[0], after[1] - before[1])
            print(f"day {day} without news: {grown[0]} bytes, {grown[1]} verdicts more in the store ({after[0] >> 20} MiB)")
    return told(*results)


async def run(folder: Path, images: int, days: int) -> int:
    async with serve_registry() as registry:
        fleet = Fleet(registry=registry.host, images=images)
        began = time.perf_counter()
        # In a process of its own: what it takes is none of the daemon's memory.
        filling = multiprocessing.get_context("spawn").Process(target=fill, args=(folder, fleet))
        filling.start()
        await asyncio.to_thread(filling.join)
        if filling.exitcode:
            raise SystemExit("the store could not be filled")
        print(f"{images} images on {fleet.bases} bases, recorded in {time.perf_counter() - began:.0f} s")
        async with opened(folder, fleet, registry) as world:
            return await measure(world, days)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--days", type=int, default=2)
    asked = parser.parse_args()
    configure_logging(level="warning", stream=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder).resolve(), asked.images, asked.days))


if __name__ == "__main__":
    sys.exit(main())
