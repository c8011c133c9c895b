"""Durable intake against a bare aiohttp handler: the same load, in turns, in one run. Goal: at least 0.4 of its requests a second.

    python bench/intake.py [--seconds 5] [--rounds 3] [--connections 64] [--client wrk|python]

Each side is a process of its own. Durable is what the daemon does with a delivery: authentication, the body read under its limit,
the dialect, the check for our own writes, and a commit to SQLite (WAL, synchronous FULL) before the answer. Every event is a push
of another digest, so each becomes a job. Afterwards the rows on disk are counted against the answers.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from watcher.api.app import build_app, serving
from watcher.api.context import ApiContext
from watcher.api.settings import ServerSettings
from watcher.backlog.sqlite import SqliteBacklog
from watcher.dialects.catalog import DIALECTS
from watcher.evaluation.protocol import Evaluator
from watcher.inspection.image.merge import merged_files
from watcher.kit.clock import utc_now
from watcher.kit.sqlite import Database
from watcher.kit.telemetry import Metrics, configure_logging
from watcher.model.reference import Host
from watcher.pipeline.intake import DurableIntake
from watcher.registry.access import RegistryClients
from watcher.registry.client import RegistryClient
from watcher.registry.settings import RegistrySettings
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import BearerAuth, WebhookSourceSettings
from watcher.store.failed_publications import StoredFailedPublications
from watcher.store.images import StoredImages
from watcher.store.migrate import migrate
from watcher.store.own_writes import OwnWriteStore
from watcher.store.verdicts import StoredVerdicts

SECRET = "bench-secret"
HOST = Host("registry.example.com")
GOAL = 0.4
# ID is replaced in every request: 32 hex digits.
EVENT = json.dumps(
    {
        "events": [
            {
                "id": "ID",
                "timestamp": "2026-11-23T20:42:46.307302255Z",
                "action": "push",
                "target": {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "size": 345,
                    "digest": "sha256:IDID",
                    "length": 345,
                    "repository": "team/app",
                    "url": "http://registry.example.com/v2/team/app/manifests/sha256:IDID",
                    "tag": "v1",
                },
                "request": {"id": "r", "addr": "10.0.0.7:60470", "host": HOST, "method": "PUT", "useragent": "skopeo/1.9.3"},
                "actor": {"name": "ci"},
                "source": {"addr": "registry:5000", "instanceID": "104a5e05-68e0-413a-a8db-c0e877f2a83f"},
            }
        ]
    },
    indent=3,
)
LUA = """
local run, thread_number = os.time() .. "", 0
function setup(thread) thread:set("number", thread_number); thread_number = thread_number + 1 end
local count = 0
function init(args) run = args[1] end
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer %(secret)s"
wrk.headers["Content-Type"] = "application/vnd.docker.distribution.events.v1+json"
local template = [[%(body)s]]
function request()
  count = count + 1
  local id = string.format("%%s%%04x%%020x", run, number, count)
  return wrk.format(nil, nil, nil, (string.gsub(template, "ID", id)))
end
function done(summary, latency)
  io.write(string.format("RESULT %%d %%d %%d %%f %%f\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one round gave."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


async def serve_bare(ready: Path) -> None:
    """The least an aiohttp handler can do with a body."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"accepted": 1, "ignored": 0, "duplicates": 0}, status=202)

    app = web.Application()
    app.router.add_post("/hooks/main", take)
    async with serving(app, ServerSettings(port=0)) as (_, port):
        await until_told_to_stop(ready, port)


async def serve_durable(ready: Path) -> None:
    """The daemon's own way from a request to the disk."""
    configure_logging(level="warning")
    path = ready.with_name("watcher.db")
    database = Database(path)
    database.own()
    migrate(path)
    await database.open()
    os.environ["HOOK_SECRET"] = SECRET
    metrics = Metrics()
    backlog = SqliteBacklog(database, utc_now)
    source = WebhookSource(
        WebhookSourceSettings(name="main", registry=HOST, auth=BearerAuth(secret="env:HOOK_SECRET")), max_body_bytes=2**20
    )
    intake = DurableIntake(
        dialects={"main": DIALECTS["distribution"]},
        backlog=backlog,
        own_writes=OwnWriteStore(database, utc_now, alone=True),
        clock=utc_now,
        counted=metrics.count_event,
    )
    # A push is taken in without a word to its registry.
    registries = RegistryClients([RegistrySettings(host=HOST)], RegistryClient)
    context = ApiContext(
        submissions=intake,
        jobs=backlog,
        verdicts=StoredVerdicts(database, utc_now),
        images=StoredImages(database, merged_files),
        publications=StoredFailedPublications(database, utc_now),
        evaluator=no_evaluator,
        registries=registries,
        metrics=metrics,
        store_trouble=database.trouble,
        hooks={"main": source},
    )
    async with serving(build_app(context), ServerSettings(port=0)) as (_, port), asyncio.TaskGroup() as group:
        listening = group.create_task(source.run(intake), name="source")
        await until_told_to_stop(ready, port)
        listening.cancel()
    await database.close()


def no_evaluator() -> Evaluator:
    raise RuntimeError("intake evaluates nothing")


async def until_told_to_stop(ready: Path, port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    ready.with_suffix(".new").write_text(str(port))
    ready.with_suffix(".new").rename(ready)
    await stopped.wait()


@contextmanager
def server(side: str, directory: Path) -> Iterator[str]:
    """The URL of one side, in a process of its own."""
    ready = directory / f"{side}.port"
    process = subprocess.Popen([sys.executable, __file__, "--serve", side, "--ready", str(ready)])
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise RuntimeError(f"the {side} server ended with {process.returncode}")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{ready.read_text()}/hooks/main"
    finally:
        process.terminate()
        process.wait(20)


def load_with_wrk(url: str, run: str, seconds: int, connections: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % {"secret": SECRET, "body": EVENT})
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url, "--", run]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    numbers = next(line for line in printed.splitlines() if line.startswith("RESULT")).split()[1:]
    requests, microseconds, errors = map(int, numbers[:3])
    return Load(
        requests=requests,
        seconds=microseconds / 1e6,
        errors=errors,
        p50_ms=float(numbers[3]),
        p99_ms=float(numbers[4]),
    )


def load_with_python(url: str, run: str, seconds: int, connections: int) -> Load:
    return asyncio.run(_load(url, run, seconds, connections))


async def _load(url: str, run: str, seconds: int, connections: int) -> Load:
    port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
    length = len(EVENT.replace("ID", "0" * 32))
    head = (
        f"POST /hooks/main HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n"
        f"Content-Type: application/vnd.docker.distribution.events.v1+json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
    parts = EVENT.encode().split(b"ID")
    latencies: list[float] = []
    errors = 0
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while (started := time.monotonic()) < end:
            count += 1
            writer.write(head + f"{run}{number:04x}{count:020x}".encode().join(parts))
            answer = await reader.readuntil(b"\r\n\r\n")
            size = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(size)
            errors += not answer.startswith(b"HTTP/1.1 202")
            latencies.append(time.monotonic() - started)
        writer.close()

    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(client(number), name=f"client-{number}")
    taken = time.monotonic() - started
    cuts = statistics.quantiles(latencies, n=100)
    return Load(requests=len(latencies), seconds=taken, errors=errors, p50_ms=cuts[49] * 1000, p99_ms=cuts[98] * 1000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--client", choices=("wrk", "python"), default="wrk" if shutil.which("wrk") else "python")
    parser.add_argument("--directory", type=Path, help="where the database is written; it should be a disk, not memory")
    parser.add_argument("--serve", choices=("bare", "durable"), help=argparse.SUPPRESS)
    parser.add_argument("--ready", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve_bare(arguments.ready) if arguments.serve == "bare" else serve_durable(arguments.ready))
        return 0
    load = load_with_wrk if arguments.client == "wrk" else load_with_python
    loads: dict[str, list[Load]] = {"bare": [], "durable": []}
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory = Path(name)
        for turn in range(arguments.rounds):
            for side, done in loads.items():
                (directory / f"{side}.port").unlink(missing_ok=True)
                with server(side, directory) as url:
                    done.append(load(url, f"{turn:08x}", arguments.seconds, arguments.connections))
        with sqlite3.connect(directory / "watcher.db") as connection:
            ((events,), (jobs,)) = (connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("event", "job"))
    for side, done in loads.items():
        rates = " ".join(f"{each.rate:7.0f}" for each in done)
        worst = max(each.p99_ms for each in done)
        print(f"{side:8} {rates} requests/s   p50 {done[-1].p50_ms:.1f} ms, p99 at most {worst:.1f} ms", end="")
        print(f"   errors {sum(each.errors for each in done)}")
    answered = sum(each.requests - each.errors for each in loads["durable"])
    ratios = [durable.rate / bare.rate for durable, bare in zip(loads["durable"], loads["bare"], strict=True)]
    ratio = statistics.median(ratios)
    print(f"on disk  {events} events, {jobs} jobs for {answered} answers of 202")
    print(f"ratio    {ratio:.2f} (goal {GOAL}), by {arguments.client} over {arguments.connections} connections")
    return 0 if ratio >= GOAL and events >= answered else 1


if __name__ == "__main__":
    sys.exit(main())
