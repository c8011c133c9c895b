"""What a registry tells the daemon, said by a test; and what the daemon's store holds, read while it runs or is dead."""

import json
import sqlite3
import uuid
from contextlib import closing
from typing import Any

from tests.doubles.daemon import HOOK_SECRET, RunningDaemon
from watcher.testing.images import BuiltImage

HEADERS = {"Authorization": f"Bearer {HOOK_SECRET}", "Content-Type": "application/vnd.docker.distribution.events.v1+json"}


def told_at(port: int) -> dict[str, Any]:
    """What `start_docker_registry` is given so that it tells the daemon on this port."""
    return {
        "notify_url": f"http://127.0.0.1:{port}/hooks/distribution",
        "notify_headers": {"Authorization": f"Bearer {HOOK_SECRET}"},
    }


def push_event(host: str, repository: str, image: BuiltImage, tag: str = "v1") -> dict[str, Any]:
    """One event as docker-registry writes it."""
    return {
        "id": str(uuid.uuid4()),
        "timestamp": "2026-01-01T00:00:00Z",
        "action": "push",
        "target": {
            "mediaType": image.media_type,
            "size": len(image.raw),
            "digest": image.digest,
            "repository": repository,
            "tag": tag,
        },
        "request": {"id": str(uuid.uuid4()), "host": host, "method": "PUT"},
    }


def envelope(*events: dict[str, Any]) -> bytes:
    return json.dumps({"events": events}).encode()


def deliver(daemon: RunningDaemon, body: bytes) -> tuple[int, Any]:
    """Post a body to the daemon's hook; status and answer."""
    return daemon.post("/hooks/distribution", body, HEADERS)


def rows(daemon: RunningDaemon, statement: str, *values: object) -> list[dict[str, Any]]:
    """Rows of the daemon's store, read beside it."""
    with closing(sqlite3.connect(f"file:{daemon.directory}/watcher.db?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, values)]
