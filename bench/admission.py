"""Answers to a cluster that asks whether pods may run: `python bench/admission.py [--seconds 10] [--rounds 3]`.

`watcher run` with images that it has judged, asked about pods of two of them by digest, as kube-apiserver asks; and a bare aiohttp
handler in a process of its own, which reads the same question and answers that all may run. In turns, in one run: first as many a
second as a cluster asks that is very busy, for how long an answer takes; then as many as there can be, for how many that are.
"""

import argparse
import asyncio
import itertools
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.intake_turns import server
from bench.results import Result, told
from tests.doubles.daemon import RunningDaemon
from tests.doubles.served_registry import ServedRegistry
from watcher.api.app import serving
from watcher.api.settings import ServerSettings
from watcher.testing.images import build_image, build_layer

PATH = "/k8s/admission"
ASKED_A_SECOND = 500
IMAGES = 20
CONNECTIONS = 16
P99_BUDGET_MS, RATIO_BUDGET = 20, 0.4


@dataclass(frozen=True, slots=True)
class Load:
    """Answers a second, and the milliseconds that 99 of 100 took at most."""

    rate: float
    p99_ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    registry = ServedRegistry()
    with tempfile.TemporaryDirectory() as folder:
        config = f'registries: [{{host: "{registry.host}"}}]\nadmission: {{on_unknown: deny, on_unjudged: deny}}\n'
        daemon = RunningDaemon(directory=Path(folder), config=config)
        daemon.start()
        try:
            questions = _questions(daemon, registry)
            with server(serve_bare) as port:
                ports = {"bare": int(port), "ours": daemon.port}
                loads = {side: [_loaded(ports[side], questions, asked.seconds) for _ in range(asked.rounds)] for side in ports}
        finally:
            daemon.stop()
            registry.close()
    paced, full = ({side: [pair[kind] for pair in each] for side, each in loads.items()} for kind in (0, 1))
    for side, each in loads.items():
        print(side, *(f"{full.rate:.0f}/s, p99 at {ASKED_A_SECOND}/s {paced.p99_ms:.1f} ms;" for paced, full in each))
    return told(
        Result(
            what=f"admission answer, p99 at {ASKED_A_SECOND}/s",
            unit="ms",
            ours=statistics.median(load.p99_ms for load in paced["ours"]),
            against="a bare handler",
            other=statistics.median(load.p99_ms for load in paced["bare"]),
            most=P99_BUDGET_MS,
        ),
        Result(
            what="admission answers, as many as there can be",
            unit="answers/s",
            ours=statistics.median(load.rate for load in full["ours"]),
            against="a bare handler",
            other=statistics.median(load.rate for load in full["bare"]),
            least=RATIO_BUDGET,
            of_ratio=True,
        ),
    )


def serve_bare(ready: Callable[[str], None]) -> None:
    """The least that an aiohttp handler can do with an AdmissionReview."""

    async def answer(request: web.Request) -> web.Response:
        review = await request.json()
        response = {"uid": review["request"]["uid"], "allowed": True}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    async def serve() -> None:
        app = web.Application()
        app.router.add_post(PATH, answer)
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        async with serving(app, ServerSettings(port=0)) as (_, port):
            ready(str(port))
            await stopped.wait()

    asyncio.run(serve())


def _questions(daemon: RunningDaemon, registry: ServedRegistry) -> list[bytes]:
    """Requests about pods of two images each, which are judged."""
    references = []
    for number in range(IMAGES):
        image = build_image([build_layer({"app/number": str(number)})], config={"User": "1000"})
        registry.put(f"team/app-{number}", image)
        references.append(f"{registry.host}/team/app-{number}@{image.digest}")
        body = json.dumps({"image": references[-1], "wait_seconds": 60}).encode()
        status, _ = daemon.post("/api/v1/evaluations", body, {"Content-Type": "application/json"})
        assert status == 200, status
    return [_question(pair) for pair in itertools.pairwise(references)]


def _question(images: tuple[str, ...]) -> bytes:
    spec: dict[str, Any] = {"containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]}
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "prod",
            "object": {"kind": "Pod", "spec": spec},
        },
    }
    body = json.dumps(review).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _loaded(port: int, questions: list[bytes], seconds: float) -> tuple[Load, Load]:
    """At the pace of a busy cluster, then as fast as answers come."""
    return asyncio.run(_load(port, questions, seconds, ASKED_A_SECOND)), asyncio.run(_load(port, questions, seconds, None))


async def _load(port: int, questions: list[bytes], seconds: float, rate: int | None) -> Load:
    """How long an answer takes is counted from when it was to be asked for: who is late because of the one before waits as well."""
    latencies: list[float] = []
    numbers = itertools.count()
    begun = time.monotonic()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = begun + number / rate if rate else time.monotonic()
            if due > begun + seconds:
                break
            await asyncio.sleep(due - time.monotonic())
            writer.write(questions[number % len(questions)])
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
            assert b'"allowed": true' in body or b'"allowed":true' in body, body
            latencies.append(time.monotonic() - due)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return Load(rate=len(latencies) / (time.monotonic() - begun), p99_ms=1000 * statistics.quantiles(latencies, n=100)[98])


if __name__ == "__main__":
    sys.exit(main())
