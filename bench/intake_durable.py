"""What the daemon does with a message, for the side that is measured: the dialect, the check for our own writes, and a commit to
SQLite (WAL, synchronous FULL). Every message is a push of another digest, so each becomes a job.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.intake_turns import GIVE_UP_SECONDS
from tests.doubles.databases import open_database
from watcher.backlog.sqlite import SqliteBacklog
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.kit.clock import utc_now
from watcher.kit.metrics import Metrics
from watcher.kit.sqlite import Database
from watcher.kit.telemetry import configure_logging
from watcher.model.push import Push
from watcher.model.reference import Host
from watcher.pipeline.intake import DurableIntake
from watcher.registry.probe_artefacts import DIGESTS
from watcher.sources.protocol import Accepted, Intake, Source
from watcher.store.own_writes import OwnWriteStore

HOST = Host("registry.example.com")
# A registry's own message. ID is replaced in each: 32 hex digits.
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


def event(turn: int, number: int) -> bytes:
    return EVENT.replace("ID", f"{turn:08x}{number:024x}").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Durable:
    """An intake and what it stands on. Its only source is named `main`."""

    intake: DurableIntake
    backlog: SqliteBacklog
    database: Database
    metrics: Metrics


@asynccontextmanager
async def open_durable(path: Path) -> AsyncIterator[Durable]:
    configure_logging(level="warning")
    async with open_database(path) as database:
        metrics = Metrics()
        backlog = SqliteBacklog(database, utc_now)
        intake = DurableIntake(
            dialects={"main": DIALECTS["distribution"]},
            backlog=backlog,
            own_writes=OwnWriteStore(database, utc_now, alone=True, constant=DIGESTS),
            clock=utc_now,
            counted=metrics.count_event,
        )
        yield Durable(intake=intake, backlog=backlog, database=database, metrics=metrics)


async def taken_by(source: Source, messages: int, path: Path) -> float:
    """Seconds from the first message that `source` brings until so many different ones are on disk."""
    async with open_durable(path) as durable:
        timed = _Timed(durable.intake, messages)
        async with asyncio.timeout(GIVE_UP_SECONDS), asyncio.TaskGroup() as group:
            listening = group.create_task(source.run(timed), name="source")
            await timed.done.wait()
            listening.cancel()
    return timed.ended - timed.began


class _Timed:
    """An intake that notes when the first delivery came and when everything was on disk."""

    def __init__(self, intake: Intake, messages: int) -> None:
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

    async def found(self, source: str, pushes: Sequence[Push], *, fresh: bool = False) -> Accepted:
        raise RuntimeError(f"{source} sweeps nothing, not even {pushes} ({fresh})")
