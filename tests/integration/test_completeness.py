"""The proof that every image has a verdict, with the daemon in this process and a registry in memory that tells of pushes.

A canary is heard of and judged; and of everything that was pushed while no event arrived, one sweep misses nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from watcher import settings as configuration
from watcher.daemon import Daemon, assembled
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName
from watcher.pipeline.canary import TAG, Flight
from watcher.sources.sweep_pass import SweepPass, SweepReport
from watcher.sources.sweep_settings import Scope
from watcher.testing.images import build_image, build_index, build_layer, put_image
from watcher.testing.notifications import Endpoint
from watcher.testing.ports import free_port
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

pytestmark = pytest.mark.enable_socket

CONFIG = """\
server: {{port: {port}}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
registries: [{{host: "{host}"}}]
sources: [{{type: webhook, name: main, dialect: distribution, auth: {{type: none}}}}]
publish: [{{type: referrer}}]
canaries: [{{registry: "{host}"}}]
"""
GIVE_UP_SECONDS = 60.0
REPOSITORIES = 6


@dataclass(kw_only=True)
class Bench:
    registry: MemoryRegistry
    daemon: Daemon

    async def sweep(self) -> SweepReport:
        one = SweepPass(
            scope=Scope(registry=self.registry.host),
            source="catch-up",
            registries=self.daemon.registries,
            known=self.daemon.storage.known,
            intake=self.daemon.intake,
        )
        return await one.run()

    async def until_all_are_judged(self) -> None:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while any(line.without_verdict for line in await self.daemon.ledger.lines()):
                await asyncio.sleep(0.1)

    async def judged(self, repository: str) -> set[Digest]:
        return {*await self.daemon.storage.verdicts.judged(self.registry.host, RepositoryName(repository))}


@asynccontextmanager
async def open_bench(folder: Path) -> AsyncIterator[Bench]:
    port = free_port()
    notify = Endpoint(url=f"http://127.0.0.1:{port}/hooks/main")
    async with serve_registry(notify=notify, switches=Switches(referrers_api=False)) as registry:
        path = folder / "watcher.yaml"
        path.write_text(CONFIG.format(port=port, folder=folder, host=registry.host), encoding="utf-8")
        async with assembled(configuration.load(path), folder=folder) as daemon:
            started: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
            running = asyncio.create_task(daemon.run(started=started), name="daemon")
            begun: set[asyncio.Future[Any]] = {running, started}
            await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
            try:
                yield Bench(registry=registry, daemon=daemon)
            finally:
                running.cancel()
                await asyncio.wait({running})


def push_unheard(registry: MemoryRegistry, round_: str) -> None:
    """Tags that are new, that moved, and one image by two tags; an index; and one that was deleted again."""
    layer = build_layer({"a": "b"})
    for number in range(REPOSITORIES):
        name = f"team/app-{number}"
        images = [build_image([layer], annotations={"of": f"{round_}-{name}-{tag}"}) for tag in range(3)]
        for tag, image in enumerate(images):
            put_image(registry, name, image, f"v{tag}")
        put_image(registry, name, images[0], "latest")
        put_image(registry, name, images[1], f"{round_}-gone")
        registry.content.existing(name).delete_manifest(f"{round_}-gone")
    children = [build_image([layer], platform=platform, annotations={"of": round_}) for platform in ("linux/amd64", "linux/arm64")]
    put_image(registry, "team/index", build_index(children), "v1")


async def test_nothing_that_no_event_told_of_is_missed(tmp_path: Path) -> None:
    """One sweep finds all of it; what was judged stays so, and our own lists are no images."""
    async with open_bench(tmp_path) as bench:
        (canary,) = bench.daemon.canaries
        assert [await canary.fly() for _ in range(2)] == [Flight.JUDGED, Flight.JUDGED]
        heard = await bench.daemon.storage.jobs.events(limit=9)
        assert {event.source for event in heard} == {"main"}
        repository = bench.registry.content.existing("registry-watcher/canary")
        assert len(await bench.judged("registry-watcher/canary")) == 2
        assert repository.tags[TAG] in await bench.judged("registry-watcher/canary")
        for round_ in ("first", "second"):
            push_unheard(bench.registry, round_)
            report = await bench.sweep()
            assert (report.problems, report.without_verdict) == ([], 3 * REPOSITORIES + 1)
            await bench.until_all_are_judged()
            for name, held in bench.registry.content.repositories.items():
                by_tag = {digest for tag, digest in held.tags.items() if not tag.startswith("sha256-")}
                assert by_tag <= await bench.judged(name)
        report = await bench.sweep()
        assert (report.without_verdict, report.taken_in) == (0, 0)
        assert sum(line.images for line in await bench.daemon.ledger.lines()) == 3 * REPOSITORIES + 1 + 1
