"""Events and jobs as the public JSON of the API and of the command line."""

from typing import Any

from watcher.backlog.protocol import EventRow, JobRow
from watcher.model.moments import iso


def event_json(row: EventRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "received_at": iso(row.received_at),
        "decision": row.fate,
        "reason": row.reason,
        "registry": row.registry or None,
        "repository": row.repository or None,
        "tag": row.tag or None,
        "digest": row.digest or None,
        "job_id": row.job_id,
        "job_state": row.job_state or None,
        "job_reason": row.job_reason or None,
    }


def job_json(row: JobRow) -> dict[str, Any]:
    return {
        "kind": "job",
        "id": row.id,
        "lane": row.lane,
        "state": row.state,
        "registry": row.registry,
        "repository": row.repository,
        "tag": row.tag or None,
        "digest": row.digest or None,
        "attempts": row.attempts,
        "reason": row.reason,
        "detail": row.detail,
        "received_at": iso(row.received_at),
        "settled_at": iso(row.settled_at) if row.settled_at else None,
    }
