"""A publication that failed as the public JSON of the API and of the command line, beside jobs (watcher/backlog/inbox_json.py)."""

from typing import Any

from watcher.model.moments import iso
from watcher.store.protocol import FailedPublication


def failed_publication_json(row: FailedPublication) -> dict[str, Any]:
    return {
        "kind": "publication",
        "id": row.id,
        "publisher": row.publisher,
        "verdict_id": row.verdict_id,
        "state": "dead",
        "registry": row.subject.registry,
        "repository": row.subject.repository,
        "tag": row.tag,
        "digest": row.subject.digest,
        "environment": row.subject.environment,
        "attempts": row.attempts,
        "reason": row.reason,
        "detail": row.detail,
        "settled_at": iso(row.failed_at),
    }
