"""What a start costs: processor seconds of the daemon and its children until it is ready.

    python bench/start.py [--rounds N]

Beside it, in turns, a server of aiohttp that imports the same packages, opens a database and answers: what nobody who is built on
them can do without. The first start of each, which compiles, is not counted.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.results import Result, told
from watcher.testing.ports import free_port

BUDGET_SECONDS = 2.0
CONFIGURATION = """
server: {{port: {port}}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
registries: [{{host: "localhost:5000"}}]
sources: [{{type: webhook, dialect: distribution, auth: {{type: bearer, secret: "env:HOOK_SECRET"}}}}]
publish: [{{type: referrer}}]
"""
BARE = """
import sqlite3, sys
import click, msgspec, prometheus_client, sqlalchemy.dialects.sqlite, structlog, tenacity, yaml
from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

registry = CollectorRegistry()
ProcessCollector(registry=registry)

async def ready(request):
    return web.Response(text="ready")

async def metrics(request):
    return web.Response(body=generate_latest(registry))

sqlite3.connect(sys.argv[2]).execute("CREATE TABLE IF NOT EXISTS t (x)")
app = web.Application()
app.add_routes([web.get("/readyz", ready), web.get("/metrics", metrics)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


def cpu_seconds(command: list[str], port: int) -> float:
    """Until it is ready, of it and its children, as its own metrics say."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, env={**environment, "HOOK_SECRET": "x" * 32}, stderr=subprocess.DEVNULL)
    try:
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            if process.poll() is not None:
                raise SystemExit(f"it ended with {process.returncode}: {' '.join(command)}")
            time.sleep(0.05)
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            text = response.read().decode()
        return sum(map(float, re.findall(r"^(?:process|watcher_children)_cpu_seconds_total (\S+)$", text, re.MULTILINE)))
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):
            return True
    except (URLError, OSError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ours: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            port = free_port()
            path = Path(folder) / "watcher.yaml"
            path.write_text(CONFIGURATION.format(port=port, folder=folder))
            daemon = cpu_seconds([sys.executable, "-m", "watcher", "run", "-c", str(path)], port)
            port = free_port()
            server = cpu_seconds([sys.executable, "-c", BARE, str(port), f"{folder}/bare.db"], port)
            print(f"{daemon:.2f} s, a bare server {server:.2f} s" + ("" if number else ", not counted"))
            if number:
                ours.append(daemon)
                bare.append(server)
    return told(
        Result(
            what="a start, until it is ready",
            unit="s",
            ours=statistics.median(ours),
            against="a bare server with the same packages",
            other=statistics.median(bare),
            most=BUDGET_SECONDS,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
