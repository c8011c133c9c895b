"""Events from a Pub/Sub subscription made durable, against what the double of Pub/Sub can deliver, in turns, in one run.

    python bench/pubsub.py [--messages 20000] [--rounds 3] [--exactly-once]

The double, a bare client and our source are processes of their own. Bare is Google's client with a callback that acknowledges at
once. Durable is what the daemon does with a message: the dialect, the check for our own writes, and a commit to SQLite (WAL,
synchronous FULL) before the acknowledgement. Every message is a push of another digest, so each becomes a job. Afterwards the rows
on disk are counted. Goal: 2000 events a second, or the double's own limit where that is less.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.cloud import pubsub_v1
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tests.doubles.pubsub_server import SUBSCRIPTION, PubsubServer
from watcher.backlog.sqlite import SqliteBacklog
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.kit.clock import utc_now
from watcher.kit.sqlite import Database
from watcher.kit.telemetry import Metrics, configure_logging
from watcher.model.push import Push
from watcher.pipeline.intake import DurableIntake
from watcher.sources.protocol import Accepted
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.store.migrate import migrate
from watcher.store.own_writes import OwnWriteStore

GOAL_PER_SECOND = 2000
HOST = "registry.example.com"
MAX_MESSAGES = 500  # the default of a source


def body(turn: int, number: int) -> bytes:
    event_id = f"{turn:08x}{number:024x}"
    target = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": f"sha256:{event_id}{event_id}",
        "repository": "team/app",
        "tag": "v1",
    }
    event = {"id": event_id, "timestamp": "2026-11-23T20:42:46.307Z", "action": "push", "target": target, "request": {"host": HOST}}
    return json.dumps({"events": [event]}).encode()


def serve(ready: Path, turn: int, messages: int, *, exactly_once: bool) -> None:
    server = PubsubServer()
    server.main.exactly_once = exactly_once
    server.publish(*[body(turn, number) for number in range(messages)])
    server.start()
    ready.with_suffix(".new").write_text(server.endpoint)
    ready.with_suffix(".new").rename(ready)
    threading.Event().wait()


def take_bare(endpoint: str, messages: int) -> float:
    """Seconds from the first message to the last."""
    client = pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc.insecure_channel(endpoint)))
    moments: list[float] = []
    done = threading.Event()

    def take(message: pubsub_v1.subscriber.message.Message) -> None:
        message.ack()
        moments.append(time.monotonic())
        if len(moments) == messages:
            done.set()

    flow = pubsub_v1.types.FlowControl(max_messages=MAX_MESSAGES)
    pulling = client.subscribe(SUBSCRIPTION, callback=take, flow_control=flow)
    if not done.wait(300):
        raise RuntimeError(f"{len(moments)} of {messages} messages came")
    pulling.cancel()
    pulling.result()
    return moments[-1] - moments[0]


class Timed:
    """An intake that notes when each delivery was on disk, and when the first came."""

    def __init__(self, intake: DurableIntake, messages: int) -> None:
        self._intake = intake
        self._left = messages
        self.began = 0.0
        self.ended = 0.0
        self.done = asyncio.Event()

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        self.began = self.began or time.monotonic()
        accepted = await self._intake(source, delivery)
        self._left -= accepted.accepted
        if self._left == 0:
            self.ended = time.monotonic()
            self.done.set()
        return accepted

    async def found(self, source: str, pushes: Sequence[Push]) -> Accepted:
        raise RuntimeError(f"{source} sweeps nothing, not even {pushes}")


async def take_durable(endpoint: str, messages: int, path: Path) -> float:
    """Seconds from the first message to the last on disk."""
    configure_logging(level="warning")
    database = Database(path)
    database.own()
    migrate(path)
    await database.open()
    metrics = Metrics()
    intake = Timed(
        DurableIntake(
            dialects={"main": DIALECTS["distribution"]},
            backlog=SqliteBacklog(database, utc_now),
            own_writes=OwnWriteStore(database, utc_now, alone=True),
            clock=utc_now,
            counted=metrics.count_event,
        ),
        messages,
    )
    settings = PubsubSourceSettings(
        name="main", registry=HOST, subscription=SUBSCRIPTION, endpoint=endpoint, max_messages=MAX_MESSAGES
    )
    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        listening = group.create_task(PubsubSource(settings).run(intake), name="source")
        await intake.done.wait()
        listening.cancel()
    await database.close()
    return intake.ended - intake.began


@contextmanager
def double(directory: Path, turn: int, messages: int, *, exactly_once: bool) -> Iterator[str]:
    """The endpoint of a double with so many messages, in a process of its own."""
    ready = directory / "endpoint"
    ready.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--serve", str(ready), "--turn", str(turn), "--messages", str(messages)]
    process = subprocess.Popen([*command, *(["--exactly-once"] if exactly_once else [])])
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise RuntimeError(f"the double ended with {process.returncode}")
            time.sleep(0.02)
        yield ready.read_text()
    finally:
        process.kill()
        process.wait(20)


def taken_by(side: str, endpoint: str, messages: int, path: Path) -> float:
    """Events a second of one side, in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--take",
        side,
        "--endpoint",
        endpoint,
        "--messages",
        str(messages),
        "--database",
        str(path),
    ]
    return messages / float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exactly-once", action="store_true")
    parser.add_argument("--directory", type=Path, help="where the database is written; it should be a disk, not memory")
    for hidden in ("--serve", "--database"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    for hidden in ("--take", "--endpoint"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--turn", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    messages, exactly_once = arguments.messages, arguments.exactly_once
    if arguments.serve:
        serve(arguments.serve, arguments.turn, messages, exactly_once=exactly_once)
    if arguments.take == "bare":
        print(take_bare(arguments.endpoint, messages))
        return 0
    if arguments.take == "durable":
        print(asyncio.run(take_durable(arguments.endpoint, messages, arguments.database)))
        return 0
    rates: dict[str, list[float]] = {"bare": [], "durable": []}
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        path = Path(name) / "watcher.db"
        for turn in range(arguments.rounds):
            for side, done in rates.items():
                with double(Path(name), turn, messages, exactly_once=exactly_once) as endpoint:
                    done.append(taken_by(side, endpoint, messages, path))
        with sqlite3.connect(path) as connection:
            ((events,), (jobs,)) = (connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("event", "job"))
        connection.close()
    for side, done in rates.items():
        print(f"{side:8} {' '.join(f'{rate:7.0f}' for rate in done)} events/s")
    limit, durable = (statistics.median(done) for done in rates.values())
    goal = min(GOAL_PER_SECOND, limit)
    expected = messages * arguments.rounds
    print(f"on disk  {events} events, {jobs} jobs for {expected} messages")
    print(f"ratio    {durable / limit:.2f} of the double's own limit; {durable:.0f} events/s (goal {goal:.0f})")
    return 0 if durable >= goal and jobs == expected else 1


if __name__ == "__main__":
    sys.exit(main())
