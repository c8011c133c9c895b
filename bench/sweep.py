"""A sweep of many repositories: `python bench/sweep.py [--repositories 1000] [--tags 20]`.

The registry in memory is a process of its own. It prints

- how long the first pass takes, which finds everything, and how many jobs come of it;
- how long a pass takes when every image has its verdict, how many requests it needs for each tag, and what the same requests cost
  that are only made: bare aiohttp, as many at a time.

It ends with 1 where an unchanged tag costs more than 1.1 requests, or an image is not found.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from bench.results import Result, told
from tests.doubles.routes import nobody
from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.kit.clock import utc_now
from watcher.model.image import ACCEPTED_TYPES
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName
from watcher.pipeline.intake import DurableIntake
from watcher.registry.access import RegistryClients
from watcher.registry.settings import RegistrySettings
from watcher.sources.sweep_pass import SweepPass, SweepReport
from watcher.sources.sweep_pass_look import HEADS_AT_ONCE
from watcher.sources.sweep_settings import Scope
from watcher.storage import Storage, owned
from watcher.store.protocol import Judged
from watcher.store.settings import StoreSettings
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import serve_registry

MOST_REQUESTS = 1.1
RECORDED_TOGETHER = 500


def _registry(pipe: Connection, repositories: int, tags: int) -> None:
    asyncio.run(_serve(pipe, repositories, tags))


async def _serve(pipe: Connection, repositories: int, tags: int) -> None:
    layer = build_layer({"a": "b"})
    images = [build_image([layer], annotations={"number": str(number)}) for number in range(tags)]
    async with serve_registry() as registry:
        for number in range(repositories):
            for tag, image in enumerate(images):
                put_image(registry, f"team-{number % 50}/app-{number}", image, f"v{tag}")
        pipe.send(registry.host)
        while await asyncio.to_thread(pipe.recv):
            pipe.send(registry.requests.total())


class Counted:
    """Requests since the last time that was asked."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._before = 0

    async def __call__(self) -> int:
        self._pipe.send(True)
        now: int = await asyncio.to_thread(self._pipe.recv)
        since, self._before = now - self._before, now
        return since


async def measure(host: Host, counted: Counted, repositories: int, tags: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            owned(StoreSettings(url=f"sqlite:///{Path(folder)}/watcher.db")) as storage,
            RegistryClients.of([RegistrySettings(host=host)]) as registries,
        ):
            first, seconds = await _swept(host, storage, registries)
            print(f"first pass: {first.images} images, {first.taken_in} jobs, {seconds:.1f} s, {await counted()} requests")
            await _judge(storage, [*first.found, *await _rest(host, storage, first)])
            second, seconds = await _swept(host, storage, registries)
            requests = await counted()
            each = requests / second.images
            print(f"unchanged: {second.images} images, {second.without_verdict} without a verdict, {seconds:.1f} s")
        bare = await _bare(host, repositories, tags)
        images = repositories * tags
        missed = max(images - found for found in (first.images, second.images, first.taken_in)) + second.without_verdict
        what = f"sweep of {images} unchanged tags"
        return told(
            Result(what=f"{what}, requests for each", unit="requests", ours=each, most=MOST_REQUESTS),
            Result(what=f"{what}, time", unit="s", ours=seconds, against="the requests alone", other=bare),
            Result(what=f"{what}, images not found", unit="images", ours=missed, most=0),
        )


async def _swept(host: Host, storage: Storage, registries: RegistryClients) -> tuple[SweepReport, float]:
    intake = DurableIntake(
        dialects={}, backlog=storage.backlog, own_writes=storage.own_writes, clock=utc_now, counted=lambda *_: None
    )
    one = SweepPass(scope=Scope(registry=host), source="sweep", registries=registries, known=storage.known, intake=intake)
    began = time.perf_counter()
    return await one.run(), time.perf_counter() - began


async def _rest(host: Host, storage: Storage, report: SweepReport) -> Sequence[Push]:
    """Those that the report does not name."""
    named = {(push.repository, push.tag) for push in report.found}
    return [
        Push(registry=host, repository=repository, tag=each.tag, digest=each.digest)
        for repository in await storage.known.holdings.looks(host)
        for each in await storage.known.holdings.held(host, repository)
        if (repository, each.tag) not in named
    ]


async def _judge(storage: Storage, pushes: Sequence[Push]) -> None:
    """A verdict for each, as if there were nothing to it."""
    judged = []
    for number, push in enumerate(pushes):
        assert push.digest is not None
        tags = (push.tag,) if push.tag else ()
        subject = replace(SUBJECT, registry=push.registry, repository=push.repository, digest=push.digest, tags=tags)
        judged.append(Judged(verdict=a_verdict(id=f"v-{number}", subject=subject, tag=push.tag)))
    for start in range(0, len(judged), RECORDED_TOGETHER):
        await storage.verdicts.record(judged[start : start + RECORDED_TOGETHER], nobody)


async def _bare(host: Host, repositories: int, tags: int) -> float:
    gate = asyncio.Semaphore(HEADS_AT_ONCE)
    headers = {"Accept": ", ".join(ACCEPTED_TYPES)}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=HEADS_AT_ONCE), headers=headers) as session:

        async def ask(method: str, path: str) -> None:
            async with gate, session.request(method, f"http://{host}/v2/{path}") as response:
                response.raise_for_status()
                await response.read()

        async def repository(number: int) -> None:
            name = RepositoryName(f"team-{number % 50}/app-{number}")
            await ask("GET", f"{name}/tags/list")
            await asyncio.gather(*(ask("HEAD", f"{name}/manifests/v{tag}") for tag in range(tags)))

        began = time.perf_counter()
        for start in range(0, repositories, 4):
            await asyncio.gather(*(repository(number) for number in range(start, min(start + 4, repositories))))
        return time.perf_counter() - began


@asynccontextmanager
async def registry_process(repositories: int, tags: int) -> AsyncIterator[tuple[Host, Counted]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_registry, args=(theirs, repositories, tags), daemon=True)
    process.start()
    try:
        host: Any = await asyncio.to_thread(ours.recv)
        yield Host(host), Counted(ours)
    finally:
        process.terminate()
        process.join()


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repositories", type=int, default=1000)
    parser.add_argument("--tags", type=int, default=20)
    asked = parser.parse_args()
    async with registry_process(asked.repositories, asked.tags) as (host, counted):
        return await measure(host, counted, asked.repositories, asked.tags)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
