"""Pushes, retags and deletes whose events come late, twice and in any order, beside a daemon that is killed: nothing is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tests.doubles.databases import open_database
from tests.doubles.disorder import Disorder, Event, World, present, tagged
from tests.doubles.hand_clock import HandClock
from tests.doubles.judges import JudgeBench, judge_over
from watcher.backlog.protocol import Arrival, Job, Lane
from watcher.dialects.distribution import DistributionDialect
from watcher.dialects.protocol import Delivery
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.push import Push, Pushed
from watcher.model.reference import RepositoryName
from watcher.model.verdict import REEVALUATION
from watcher.pipeline.intake import DurableIntake
from watcher.pipeline.second_looks import second_looks
from watcher.registry.access import RegistryClients
from watcher.store.protocol import SubjectFilter
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

SLOTS = 4
AGAIN = 0.2
IMAGES = 20
LEADING = """SELECT DISTINCT repository, tag, digest FROM reference JOIN image ON image.id = image_id WHERE leads AND tag <> ''"""


class Daemon:
    """One life of it, over a store that outlives it."""

    def __init__(self, database: Database, registry: MemoryRegistry, registries: RegistryClients, clock: HandClock) -> None:
        self.bench = judge_over(database, registry, registries, clock)
        self.intake = DurableIntake(
            dialects={"main": DistributionDialect()},
            backlog=self.bench.backlog,
            own_writes=self.bench.own_writes,
            clock=clock,
            counted=lambda *_: None,
            second_looks=partial(second_looks, self.bench.verdicts, self.bench.judge.under_way),
        )
        self.working: dict[str, asyncio.Task[None]] = {}

    async def hear(self, events: Iterable[Event]) -> None:
        for event in events:
            await self.intake(
                "main", Delivery(body=msgspec.json.encode({"events": [event]}), headers={}, registry=self.bench.registry.host)
            )

    async def look_again(self, repository: str, digest: Digest) -> None:
        """As when policies have changed: what is stored takes the place of the registry."""
        push = Push(registry=self.bench.registry.host, repository=RepositoryName(repository), digest=digest)
        now = self.bench.clock()
        again = Arrival(
            source=REEVALUATION, decision=Pushed(push=push), delivery_key=None, received_at=now, lane=Lane.REEVALUATE, is_news=False
        )
        await self.bench.backlog.put([again])

    async def work(self) -> int:
        """Begin what there is a place for; how many jobs are under way."""
        self.working = {name: task for name, task in self.working.items() if not task.done()}
        free = SLOTS - len(self.working)
        for job in await self.bench.backlog.lease(tuple(Lane), free) if free else ():
            self.working[job.id] = asyncio.create_task(self._do(job))
        return len(self.working)

    async def _do(self, job: Job) -> None:
        await self.bench.backlog.settle(job, await self.bench.judge.judge(job))

    async def kill(self) -> None:
        for task in self.working.values():
            task.cancel()
        await asyncio.gather(*self.working.values(), return_exceptions=True)


# bench/disorder.py has thousands of images; these are some that have found something.
@pytest.mark.parametrize("seed", [0, 9])
async def test_disorder(tmp_path: Path, seed: int) -> None:
    """Whatever the registry has is judged, and nothing else; it is known by the tags that it has and by no other."""
    choice, clock = random.Random(seed), HandClock()
    async with serve_registry() as registry, RegistryClients.of([]) as registries:
        world = World(host=registry.host, choice=choice, images=IMAGES, repositories=3, tags=4)
        steps, disorder, ended = world.steps(), Disorder(choice, spread=30, more=1.0), False
        while not ended:
            async with open_database(tmp_path / "w.db") as database:
                daemon = Daemon(database, registry, registries, clock)
                await daemon.bench.backlog.recover()
                for _ in range(choice.randrange(10, 40)):
                    step = next(steps, None)
                    if step is None:
                        ended = True
                        break
                    step.apply(registry)
                    disorder.send(step.told)
                    await daemon.hear(disorder.arrived())
                    if choice.random() < AGAIN and (there := sorted(present(registry))):
                        await daemon.look_again(*choice.choice(there))
                    await daemon.work()
                    for _ in range(choice.randrange(30)):
                        await asyncio.sleep(0)
                    clock.advance(choice.choice((0.0, 0.1, 1.0)))
                if ended:
                    await daemon.hear(disorder.rest())
                    await drain(daemon, clock)
                    await compare(daemon.bench, database)
                await daemon.kill()


async def drain(daemon: Daemon, clock: HandClock) -> None:
    while True:
        if await daemon.work():
            await asyncio.wait(daemon.working.values(), return_when=asyncio.FIRST_COMPLETED)
            continue
        if not any(state in {"waiting", "leased"} for _, state in (await daemon.bench.backlog.depth()).jobs):
            return
        clock.advance(5.0)


async def compare(bench: JudgeBench, database: Database) -> None:
    newest = await bench.judge.images.newest(SubjectFilter(), limit=10_000)
    current = Counter((str(each.subject.repository), each.subject.digest) for each in newest)
    assert set(current.values()) == {1}
    assert current.keys() == present(bench.registry)
    rows = await database.read(lambda connection: connection.exec_driver_sql(LEADING).all())
    leads = Counter(dict.fromkeys(rows, 1))
    assert leads == Counter({(*place, digest): 1 for place, digest in tagged(bench.registry).items()})
