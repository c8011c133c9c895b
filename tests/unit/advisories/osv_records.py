"""OSV records as tests write them."""

import json
from typing import Any


def osv(identifier: str, *affected: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """One record about `affected`, which `at` makes."""
    return {"id": identifier, "modified": "2026-01-02T00:00:00Z", "affected": list(affected), **fields}


def at(ecosystem: str, name: str, *events: dict[str, str], versions: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    """One entry of `affected`; without events the ranges are left out."""
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    return {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, "versions": list(versions), **fields}


def until(fixed: str, *, introduced: str = "0") -> tuple[dict[str, str], dict[str, str]]:
    return {"introduced": introduced}, {"fixed": fixed}


def encoded(*records: dict[str, Any]) -> bytes:
    """A line each."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
