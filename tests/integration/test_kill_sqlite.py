"""kill -9 in the middle of commits: what was acknowledged is there, what was done stays done, nothing is there twice."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from watcher.backlog.protocol import Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.clock import utc_now
from watcher.kit.sqlite import Database
from watcher.store.migrate import migrate

KILLS = 12
ACKNOWLEDGED_BETWEEN_KILLS = 150

# Puts from eight tasks and settles from one, and says what was acknowledged only after `put` and `settle` returned.
CHILD = """
import asyncio, os, pathlib, sys
from watcher.backlog.protocol import Arrival, Done, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.clock import utc_now
from watcher.kit.sqlite import Database
from watcher.model.push import Push, Pushed
from watcher.store.migrate import migrate

path, run = pathlib.Path(sys.argv[1]), sys.argv[2]

def say(word, job_id):
    os.write(1, f"{word} {job_id}\\n".encode())

async def produce(backlog, number):
    count = 0
    while True:
        count += 1
        key = f"{run}/{number}/{count}"
        push = Push(registry="r", repository="a", digest=f"sha256:{int(run):020x}{number:020x}{count:024x}")
        arrival = Arrival(source="s", decision=Pushed(push=push), delivery_key=key, received_at=utc_now())
        (receipt,) = await backlog.put([arrival])
        assert receipt.fate == "accepted", receipt
        say("put", receipt.job_id)

async def consume(backlog):
    while True:
        for job in await backlog.lease([Lane.PUSH], 4):
            await backlog.settle(job, Done(result="pass"))
            say("settled", job.id)

async def main():
    database = Database(path)
    database.own()
    migrate(path)
    await database.open()
    backlog = SqliteBacklog(database, utc_now)
    await backlog.recover()
    await asyncio.gather(consume(backlog), *(produce(backlog, number) for number in range(8)))

asyncio.run(main())
"""


def _run_until_killed(path: Path, run: int) -> list[tuple[str, str]]:
    """Start the child, kill it after so many acknowledgements, and give those that it spoke out whole."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(run)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    said = b""
    deadline = time.monotonic() + 30
    while said.count(b"\n") < ACKNOWLEDGED_BETWEEN_KILLS and time.monotonic() < deadline:
        chunk = os.read(child.stdout.fileno(), 65536)
        if not chunk:
            break
        said += chunk
    child.kill()
    rest, _ = child.communicate()
    assert child.returncode == -9
    said += rest
    complete = said[: said.rfind(b"\n") + 1].decode()
    return [(word, job_id) for word, job_id in (line.split() for line in complete.splitlines())]


async def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    """Twelve times in a row: every acknowledged put is there, every acknowledged settlement holds, no job is there twice."""
    path = tmp_path / "watcher.db"
    put: list[str] = []
    settled: list[str] = []
    for run in range(KILLS):
        said = await asyncio.to_thread(_run_until_killed, path, run)
        put += [job_id for word, job_id in said if word == "put"]
        settled += [job_id for word, job_id in said if word == "settled"]
    assert len(put) > KILLS * 50
    assert len(settled) > KILLS
    assert len(settled) == len(set(settled)), "a job that was settled is never handed out again"

    database = Database(path)
    database.own()  # the killed processes hold nothing
    migrate(path)
    await database.open()
    backlog = SqliteBacklog(database, utc_now)
    await backlog.recover()
    try:
        rows = await database.read(lambda connection: connection.exec_driver_sql("SELECT id, state FROM job").all())
        states = {row.id: row.state for row in rows}
        assert set(put) <= set(states)
        assert {states[job_id] for job_id in settled} == {"done"}
        # A put that was committed but not yet acknowledged when the process died is there as well, once.
        events = await database.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM event").scalar_one())
        assert events == len(states) == len(rows)
        left = {job_id for job_id, state in states.items() if state != "done"}
        leased = {job.id for job in await backlog.lease([Lane.PUSH], len(states))}
        assert leased == left
        check = await database.read(lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar_one())
        assert check == "ok"
    finally:
        await database.close()
