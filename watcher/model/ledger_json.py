"""The ledger as JSON."""

from typing import Any

from watcher.model.holding import LastPass
from watcher.model.ledger import LedgerEntry, LedgerLine
from watcher.model.moments import iso
from watcher.model.reference import Host


def line_json(line: LedgerLine) -> dict[str, Any]:
    """One repository."""
    return {
        "registry": line.registry,
        "repository": line.repository,
        "looked_at": iso(line.looked_at),
        "images": line.images,
        "judged": line.judged,
        "outdated": line.outdated,
        "waiting": line.waiting,
        "cannot": line.cannot,
        "without_verdict": line.without_verdict,
        "problem": line.problem or None,
    }


def entry_json(entry: LedgerEntry) -> dict[str, Any]:
    """One image."""
    return {
        "digest": entry.digest,
        "tags": list(entry.tags),
        "state": entry.state,
        "since": iso(entry.since),
        "outcome": entry.outcome,
        "reason": entry.reason or None,
    }


def pass_json(registry: Host, last: LastPass | None) -> dict[str, Any]:
    """The last pass over a registry that came to its end."""
    return {
        "registry": registry,
        "looked_through_at": iso(last.at) if last is not None else None,
        "problems": last.problems.splitlines() if last is not None else [],
    }
