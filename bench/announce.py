"""Verdicts told to four destinations, against what these take: `python bench/announce.py [--verdicts 1000] [--rounds 3]`.

Each destination is in a process of its own: a receiver of webhooks, a real mosquitto, and the doubles of SQS and Pub/Sub. In turns

- bare: the publishers are called for every verdict, as many at a time as the announcer would, and nothing is kept;
- ours: the verdicts are recorded before, and the announcer drains the outbox, with every lease and every end on disk.

It prints how many verdicts a second all four were told, and the ratio; a verdict has as many findings as a usual image. It ends
with 1 when the ratio is below the goal, or when something of the outbox was left or given up.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from bench.intake_turns import server
from bench.results import Result, told
from tests.doubles.mosquitto import start_mosquitto
from tests.doubles.moto import REGION, isolate_identity
from tests.doubles.publishing import Notes
from tests.doubles.pubsub_server import TOPIC, PubsubServer
from tests.doubles.sqs_server import SqsServer
from tests.doubles.verdicts import FINDING, SUBJECT, a_verdict
from watcher import settings as configuration
from watcher.kit.telemetry import configure_logging
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Verdict
from watcher.pipeline.announce import Announcer
from watcher.pipeline.destinations import SLOTS
from watcher.publishers import destinations_of, open_publishers
from watcher.publishing.protocol import Publisher
from watcher.registry.access import RegistryClients
from watcher.settings import Settings
from watcher.storage import Storage, owned
from watcher.store.protocol import Judged

VERDICTS, ROUNDS, FINDINGS = 1000, 3, 12
# Each message costs us two commits; what is durable when it comes in has the same goal.
GOAL = 0.4
RECORDED_TOGETHER = 100
# Tests want a line for every packet, and everything written down for every message, which takes the longer the more there are.
BROKER = ("log_type none", "autosave_on_changes false", "max_queued_messages 0")
CONFIGURATION = """\
store: {{url: "sqlite:///{folder}/watcher.db"}}
publish:
  - {{type: webhook, url: "{webhook}"}}
  - {{type: mqtt, host: 127.0.0.1, port: {mqtt}, events: false}}
  - {{type: sqs, queue_url: "{sqs}", region: {region}}}
  - {{type: pubsub, topic: "{topic}", endpoint: "{pubsub}"}}
"""


def receive(ready: Callable[[str], None]) -> None:
    """Take every webhook."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202)

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        await asyncio.Event().wait()

    asyncio.run(serve())


def queue(ready: Callable[[str], None]) -> None:
    double = SqsServer()
    double.start()
    ready(double.url)
    threading.Event().wait()


def topic(ready: Callable[[str], None]) -> None:
    double = PubsubServer()
    double.start()
    ready(double.endpoint)
    threading.Event().wait()


@contextmanager
def configured(folder: Path) -> Iterator[Settings]:
    """The destinations, there while inside."""
    with ExitStack() as stack:
        os.environ |= isolate_identity(folder)
        broker = start_mosquitto(folder, settings=BROKER)
        stack.callback(broker.stop)
        path = folder / "watcher.yaml"
        path.write_text(
            CONFIGURATION.format(
                folder=folder,
                webhook=stack.enter_context(server(receive)),
                mqtt=broker.port,
                sqs=stack.enter_context(server(queue)),
                region=REGION,
                topic=TOPIC,
                pubsub=stack.enter_context(server(topic)),
            )
        )
        yield configuration.load(path)


def verdicts(turn: int, count: int) -> Sequence[Verdict]:
    """Of repositories and images that no other turn has: one tag leads to one image."""
    findings = tuple(replace(FINDING, key=f"{FINDING.key}-{number}") for number in range(FINDINGS))
    names = [f"{turn * count + number:064}" for number in range(count)]
    subjects = [replace(SUBJECT, repository=RepositoryName(f"team/{name[-9:]}"), digest=Digest(f"sha256:{name}")) for name in names]
    return [a_verdict(id=name[-32:], findings=findings, subject=subject) for name, subject in zip(names, subjects, strict=True)]


async def bare(publishers: Mapping[str, Publisher], said: Sequence[Verdict]) -> float:
    """Seconds until everybody was told everything."""

    async def tell_all(publisher: Publisher) -> None:
        slots = asyncio.Semaphore(SLOTS)

        async def tell(verdict: Verdict) -> None:
            async with slots:
                await publisher.publish(verdict, Notes())

        await asyncio.gather(*map(tell, said))

    began = time.perf_counter()
    await asyncio.gather(*map(tell_all, publishers.values()))
    return time.perf_counter() - began


async def ours(settings: Settings, storage: Storage, publishers: Mapping[str, Publisher], said: Sequence[Verdict]) -> float:
    """Seconds until the outbox is empty.

    Raises:
        RuntimeError: something was not told at the first attempt.
    """
    ended: Counter[str] = Counter()
    all_ended = asyncio.Event()

    def counted(_publisher: str, result: str) -> None:
        ended[result] += 1
        if ended.total() >= len(said) * len(publishers):
            all_ended.set()

    announcer = Announcer(
        outbox=storage.outbox,
        verdicts=storage.verdicts,
        destinations=destinations_of(settings, publishers, storage.standing),
        counted=counted,
    )
    for place in range(0, len(said), RECORDED_TOGETHER):
        together = [Judged(verdict=each) for each in said[place : place + RECORDED_TOGETHER]]
        await storage.verdicts.record(together, lambda _verdict, _earlier: tuple(publishers))
    began = time.perf_counter()
    async with asyncio.TaskGroup() as publications:
        loop = publications.create_task(announcer.run(publications))
        await all_ended.wait()
        while {state for _, state in await storage.publications.counts()} & {"waiting", "leased"}:  # noqa: ASYNC110  it ends at once
            await asyncio.sleep(0.001)
        seconds = time.perf_counter() - began
        loop.cancel()
    if set(ended) != {"published"}:
        raise RuntimeError(f"not everything was told: {dict(ended)}")
    return seconds


async def measure(folder: Path, count: int, rounds: int) -> int:
    bare_rates, our_rates = [], []
    with configured(folder) as settings:
        async with (
            owned(settings.store) as storage,
            RegistryClients.of([]) as registries,
            open_publishers(settings, storage, registries, {}) as publishers,
        ):
            await bare(publishers, verdicts(2 * rounds, count)[:SLOTS])  # connected before anything is measured
            for turn in range(rounds):
                alone = await bare(publishers, verdicts(2 * turn, count))
                kept = await ours(settings, storage, publishers, verdicts(2 * turn + 1, count))
                bare_rates.append(count / alone)
                our_rates.append(count / kept)
                print(f"bare {count / alone:6.0f}   ours {count / kept:6.0f} verdicts/s to each of {len(publishers)}", flush=True)
    result = Result.of_rounds(
        our_rates,
        bare_rates,
        what=f"verdicts told to each of {len(publishers)} destinations",
        unit="verdicts/s",
        against="the publishers alone",
        least=GOAL,
        of_ratio=True,
    )
    return told(result)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--verdicts", type=int, default=VERDICTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    configure_logging(level="error")
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measure(Path(folder), asked.verdicts, asked.rounds))


if __name__ == "__main__":
    sys.exit(main())
