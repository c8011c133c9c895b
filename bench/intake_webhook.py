"""Requests to a webhook, against a bare aiohttp handler. Durable has the daemon's authentication and limits before its intake."""

import asyncio
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from bench.intake_durable import EVENT, HOST, open_durable
from bench.intake_turns import Load, Options, Side, server
from watcher.advisories.enquiries import AdvisoryEnquiries
from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.api.app import build_app, serving
from watcher.api.context import ApiContext
from watcher.api.settings import ServerSettings
from watcher.evaluation.protocol import Evaluator
from watcher.inspection.image.merge import merged_files
from watcher.kit.clock import utc_now
from watcher.pipeline.ledger import Ledger
from watcher.pipeline.stored_sboms import StoredSboms
from watcher.registry.access import RegistryClients
from watcher.registry.client import RegistryClient
from watcher.registry.settings import RegistrySettings
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import BearerAuth, WebhookSourceSettings
from watcher.store.failed_publications import StoredFailedPublications
from watcher.store.holders import StoredPackageIndex
from watcher.store.holdings import StoredHoldings
from watcher.store.images import StoredImages
from watcher.store.ledger import StoredLedger
from watcher.store.quarantines import StoredQuarantines
from watcher.store.verdicts import StoredVerdicts

SECRET = "bench-secret"
GOAL_RATIO = 0.4
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


def goal(limit: float) -> float:
    return GOAL_RATIO * limit


def measure(side: Side, turn: int, path: Path, options: Options) -> Load:
    load = load_with_wrk if options.client == "wrk" else load_with_python
    serve = (serve_bare, ()) if side == "bare" else (serve_durable, (path,))
    with server(serve[0], *serve[1]) as port:
        return load(int(port), f"{turn:08x}", options.seconds, options.connections)


def serve_bare(ready: Callable[[str], None]) -> None:
    asyncio.run(_serve_bare(ready))


def serve_durable(ready: Callable[[str], None], path: Path) -> None:
    asyncio.run(_serve_durable(ready, path))


async def _serve_bare(ready: Callable[[str], None]) -> None:
    """The least an aiohttp handler can do with a body."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"accepted": 1, "ignored": 0, "duplicates": 0}, status=202)

    app = web.Application()
    app.router.add_post("/hooks/main", take)
    async with serving(app, ServerSettings(port=0)) as (_, port):
        await _until_told_to_stop(ready, port)


async def _serve_durable(ready: Callable[[str], None], path: Path) -> None:
    """The daemon's own way from a request to the disk."""
    os.environ["HOOK_SECRET"] = SECRET
    settings = WebhookSourceSettings(name="main", registry=HOST, auth=BearerAuth(secret="env:HOOK_SECRET"))
    source = WebhookSource(settings, max_body_bytes=2**20)
    async with open_durable(path) as durable:
        images = StoredImages(durable.database, merged_files)
        context = ApiContext(
            submissions=durable.intake,
            jobs=durable.backlog,
            verdicts=StoredVerdicts(durable.database, utc_now),
            images=images,
            sboms=StoredSboms(images),
            packages=StoredPackageIndex(durable.database),
            advisories=AdvisoryEnquiries(AdvisoryGatherer(path=path.with_name("none.db"), max_age_seconds=0)),
            publications=StoredFailedPublications(durable.database, utc_now),
            quarantines=StoredQuarantines(durable.database),
            completeness=Ledger(held=StoredLedger(durable.database), jobs=durable.backlog, policy_revision=str),
            passes=StoredHoldings(durable.database).passes,
            evaluator=no_evaluator,
            # A push is taken in without a word to its registry.
            registries=RegistryClients([RegistrySettings(host=HOST)], RegistryClient),
            metrics=durable.metrics,
            store_trouble=durable.database.trouble,
            hooks={"main": source},
        )
        async with serving(build_app(context), ServerSettings(port=0)) as (_, port), asyncio.TaskGroup() as group:
            listening = group.create_task(source.run(durable.intake), name="source")
            await _until_told_to_stop(ready, port)
            listening.cancel()


def no_evaluator() -> Evaluator:
    raise RuntimeError("intake evaluates nothing")


async def _until_told_to_stop(ready: Callable[[str], None], port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    ready(str(port))
    await stopped.wait()


def load_with_wrk(port: int, run: str, seconds: int, connections: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % {"secret": SECRET, "body": EVENT})
        script.flush()
        url = f"http://127.0.0.1:{port}/hooks/main"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url, "--", run]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    numbers = next(line for line in printed.splitlines() if line.startswith("RESULT")).split()[1:]
    requests, microseconds, errors = map(int, numbers[:3])
    return Load(
        messages=requests - errors,
        seconds=microseconds / 1e6,
        unanswered=connections,
        remark=_remark(errors, float(numbers[3]), float(numbers[4])),
    )


def load_with_python(port: int, run: str, seconds: int, connections: int) -> Load:
    return asyncio.run(_load(port, run, seconds, connections))


async def _load(port: int, run: str, seconds: int, connections: int) -> Load:
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
    return Load(messages=len(latencies) - errors, seconds=taken, remark=_remark(errors, 1000 * cuts[49], 1000 * cuts[98]))


def _remark(errors: int, p50_ms: float, p99_ms: float) -> str:
    return f"p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, errors {errors} in the last round"
