"""What a dialect makes of one body, in few words."""

import json
from typing import Any

from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Handshake, Ignored, Pushed, Rejected
from watcher.model.reference import Host


def read(dialect: str, body: Any, headers: dict[str, str] | None = None, *, registry: str = "") -> list[Decision]:
    """`body` is JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(DIALECTS[dialect].read(Delivery(registry=Host(registry), headers=headers or {}, body=raw)))


def one(dialect: str, body: Any, headers: dict[str, str] | None = None, *, registry: str = "") -> Decision:
    (decision,) = read(dialect, body, headers, registry=registry)
    return decision


def place(decision: Decision) -> tuple[str, str, str | None, str | None]:
    """Registry, repository, tag and digest of what was pushed or removed."""
    found = decision.push if isinstance(decision, Pushed) else decision
    assert not isinstance(found, Ignored | Rejected | Handshake)
    return found.registry, found.repository, found.tag, found.digest
