"""Events from SQS against a bare boto3 loop: the same queue, the same number of threads, in turns, in one run.

    python bench/sqs.py [--moto-events 300] [--events 10000] [--rounds 3] [--receivers 2]

Bare is what the service gives: each thread receives ten messages and deletes them. Ours is the source with the daemon's intake: the
dialect, the check for our own writes, and a commit to SQLite (WAL, synchronous FULL) before a message is deleted. Every event is a
push of another digest, so each becomes a job, and afterwards the rows on disk are counted.

Two services stand for SQS, each a process of its own: moto, which is correct and gives a hundred messages a second or two, and one
that only hands out what it has, so that our own limit is seen: one process' share of Python, half for the SDK, half for the intake.
Goal for each: at least 0.4 of the bare loop, which stores nothing, or 2000 events a second.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from aiohttp import web

from tests.doubles.moto import REGION, isolate_identity, start_moto
from watcher.backlog.sqlite import SqliteBacklog
from watcher.dialects.catalog import DIALECTS
from watcher.kit.clock import utc_now
from watcher.kit.sqlite import Database
from watcher.kit.telemetry import Metrics, configure_logging
from watcher.model.reference import Host
from watcher.pipeline.intake import DurableIntake
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.store.migrate import migrate
from watcher.store.own_writes import OwnWriteStore

HOST = Host("registry.example.com")
GOAL_EVENTS_PER_SECOND = 2000.0
GOAL_RATIO = 0.4
IMAGE = "application/vnd.oci.image.manifest.v1+json"


def event(number: int) -> str:
    target = {"mediaType": IMAGE, "size": 345, "digest": f"sha256:{number:064x}", "repository": "team/app", "tag": "v1"}
    return json.dumps({"events": [{"id": f"{number:032x}", "action": "push", "target": target}]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """A queue with messages in it. `left` says how many are neither received nor deleted."""

    url: str
    left: Callable[[], int]


@contextmanager
def moto() -> Iterator[Callable[[int, int], Supply]]:
    """`fill(first, count)` makes a queue with so many events."""
    running = start_moto()

    def fill(first: int, count: int) -> Supply:
        queue = running.queue()
        queue.send(*[event(first + number).encode() for number in range(count)])
        return Supply(url=queue.url, left=lambda: sum(queue.counts()))

    try:
        yield fill
    finally:
        running.stop()


@contextmanager
def quick() -> Iterator[Callable[[int, int], Supply]]:
    """As `moto`, of a service that does nothing but count."""
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()

        def fill(first: int, count: int) -> Supply:
            urlopen(Request(f"{url}/fill", data=json.dumps([first, count]).encode()), timeout=30).close()
            return Supply(url=f"{url}/1/queue", left=lambda: int(urlopen(f"{url}/left", timeout=30).read()))

        try:
            yield fill
        finally:
            process.terminate()


async def serve() -> None:
    """Messages in their order, ten at a time, with the protocol of SQS."""
    ready: list[dict[str, Any]] = []
    left = 0

    async def call(request: web.Request) -> web.Response:
        nonlocal left
        asked = await request.json()
        if request.headers["X-Amz-Target"] == "AmazonSQS.ReceiveMessage":
            if not ready and asked.get("WaitTimeSeconds"):
                await asyncio.sleep(0.2)
            count = asked.get("MaxNumberOfMessages", 1)
            given, ready[:] = ready[-count:], ready[:-count]
            return web.json_response({"Messages": given})
        left -= len(asked["Entries"])
        return web.json_response({"Successful": [{"Id": each["Id"]} for each in asked["Entries"]]})

    async def fill(request: web.Request) -> web.Response:
        nonlocal left
        first, left = await request.json()
        system = {"SentTimestamp": "1767225600000", "ApproximateReceiveCount": "1"}
        ready.extend(
            {"MessageId": f"{number:036}", "ReceiptHandle": f"{number:0200}", "Body": event(number), "Attributes": system}
            for number in range(first, first + left)
        )
        return web.Response()

    async def count(_: web.Request) -> web.Response:
        return web.Response(text=str(left))

    app = web.Application()
    app.add_routes([web.post("/fill", fill), web.get("/left", count), web.post("/{path:.*}", call)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


async def bare(supply: Supply, receivers: int) -> float:
    """Seconds until the queue is empty."""
    import boto3

    endpoint = supply.url.rpartition("/")[0].rpartition("/")[0]
    clients = [boto3.session.Session(region_name=REGION).client("sqs", endpoint_url=endpoint) for _ in range(receivers)]

    def drain(client: Any) -> None:
        while messages := client.receive_message(QueueUrl=supply.url, MaxNumberOfMessages=10).get("Messages"):
            entries = [{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in messages]
            client.delete_message_batch(QueueUrl=supply.url, Entries=entries)

    def drain_all() -> None:
        threads = [threading.Thread(target=drain, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    started = time.monotonic()
    await asyncio.to_thread(drain_all)
    return time.monotonic() - started


async def ours(supply: Supply, receivers: int, intake: DurableIntake) -> float:
    """Seconds from the first answer until every message is deleted. The SDK is loaded then, as it is for the bare loop."""
    source = SqsSource(SqsSourceSettings(name="main", queue_url=supply.url, region=REGION, registry=HOST, receivers=receivers))
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(source.run(intake), name="source")
        while not source.health.connected:  # noqa: ASYNC110  a source has no event for it
            await asyncio.sleep(0.001)
        started = time.monotonic()
        while await asyncio.to_thread(supply.left):  # noqa: ASYNC110  the service is another process
            await asyncio.sleep(0.02)
        taken_seconds = time.monotonic() - started
        listening.cancel()
    return taken_seconds


async def compare(name: str, fill: Callable[[int, int], Supply], *, events: int, rounds: int, receivers: int) -> bool:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "watcher.db"
        database = Database(path)
        database.own()
        migrate(path)
        await database.open()
        intake = DurableIntake(
            dialects={"main": DIALECTS["distribution"]},
            backlog=SqliteBacklog(database, utc_now),
            own_writes=OwnWriteStore(database, utc_now, alone=True),
            clock=utc_now,
            counted=Metrics().count_event,
        )
        sides: dict[str, Callable[[Supply], Awaitable[float]]] = {
            "bare": lambda supply: bare(supply, receivers),
            "ours": lambda supply: ours(supply, receivers, intake),
        }
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for turn in range(rounds):
            for side, drain in sides.items():
                supply = await asyncio.to_thread(fill, turn * events, events)
                rates[side].append(events / await drain(supply))
        await database.close()
        with sqlite3.connect(path) as connection:
            ((rows,), (jobs,)) = (connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("event", "job"))
    for side, rate in rates.items():
        print(f"{name:6} {side:5} {' '.join(f'{each:7.0f}' for each in rate)} events/s, {receivers} receivers")
    ratio = statistics.median(our / its for our, its in zip(rates["ours"], rates["bare"], strict=True))
    print(f"{name:6} on disk {rows} events, {jobs} jobs of {events * rounds} messages")
    print(f"{name:6} ratio {ratio:.2f} (goal {GOAL_RATIO}, or {GOAL_EVENTS_PER_SECOND:.0f} events/s)")
    is_fast = ratio >= GOAL_RATIO or statistics.median(rates["ours"]) >= GOAL_EVENTS_PER_SECOND
    return is_fast and rows == events * rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moto-events", type=int, default=300)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--receivers", type=int, default=2)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
    configure_logging(level="warning")
    reached = []
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= isolate_identity(Path(directory))
        for name, service, events in (("moto", moto, arguments.moto_events), ("quick", quick, arguments.events)):
            with service() as fill:
                each = compare(name, fill, events=events, rounds=arguments.rounds, receivers=arguments.receivers)
                reached.append(asyncio.run(each))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
