"""Events made durable per second: the backlog's group commit against one commit an event, in one run on one disk.

.venv/bin/python bench/intake_store.py [EVENTS]
"""

import asyncio
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from bench.results import Result, told
from watcher.backlog.protocol import Arrival
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.clock import utc_now
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.push import Push, Pushed
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.store.migrate import migrate


def one_commit_an_event(path: Path, events: int) -> float:
    """The floor: a bare INSERT with a flush of its own, nothing decided."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, digest TEXT, excerpt TEXT)")
    started = time.perf_counter()
    for number in range(events):
        connection.execute("INSERT INTO event (digest, excerpt) VALUES (?, ?)", (f"sha256:{number:064x}", "x" * 300))
    seconds = time.perf_counter() - started
    connection.close()
    return events / seconds


async def group_commit(path: Path, events: int, producers: int) -> tuple[float, float]:
    """Puts per second, and the 99th percentile of one put in milliseconds."""
    database = Database(path)
    database.own()
    migrate(path)
    await database.open()
    backlog = SqliteBacklog(database, utc_now)
    waited: list[float] = []

    async def produce(producer: int) -> None:
        for number in range(events // producers):
            push = Push(
                registry=Host("localhost:5000"),
                repository=RepositoryName("team/app"),
                tag=Tag("v1"),
                digest=Digest(f"sha256:{producer:032x}{number:032x}"),
            )
            arrival = Arrival(source="main", decision=Pushed(push=push), delivery_key=f"{producer}/{number}", received_at=utc_now())
            before = time.perf_counter()
            await backlog.put([arrival])
            waited.append(time.perf_counter() - before)

    started = time.perf_counter()
    await asyncio.gather(*(produce(producer) for producer in range(producers)))
    seconds = time.perf_counter() - started
    await database.close()
    waited.sort()
    return len(waited) / seconds, waited[int(len(waited) * 0.99)] * 1000


def main() -> int:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory(dir=".") as folder:
        floor = one_commit_an_event(Path(folder) / "floor.db", events // 10)
        results = []
        for producers in (1, 64, 256):
            path = Path(folder) / f"{producers}.db"
            rate, p99 = asyncio.run(group_commit(path, events if producers > 1 else events // 10, producers))
            print(f"{producers} at once: p99 {p99:.1f} ms")
            what = f"events made durable, {producers} at once"
            results.append(Result(what=what, unit="events/s", ours=rate, against="a bare commit each", other=floor))
        return told(*results)


if __name__ == "__main__":
    sys.exit(main())
