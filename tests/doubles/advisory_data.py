"""A file of advisories as tests need one."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watcher.advisories.importing import import_paths

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def osv(identifier: str, *affected: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """One OSV record about `affected`, which `at` makes."""
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


def advisory_data(folder: Path, *records: dict[str, Any], now: datetime = NOW, as_of: datetime | None = None) -> Path:
    """The file, with these records added to what is in it."""
    source, target = folder / "records.jsonl", folder / "advisories.db"
    source.write_bytes(encoded(*records))
    import_paths([source], target, now=now, as_of=as_of or now)
    return target
