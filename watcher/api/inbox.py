"""`/api/v1/events` and `/api/v1/dead-letters`: what arrived, and what could not be done."""

from typing import Any

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.paging import limit_of, number_of, page
from watcher.backlog.protocol import EventRow, JobRow
from watcher.kit.clock import iso


async def events(request: web.Request) -> web.Response:
    """Newest first."""
    limit = limit_of(request)
    rows = await request.app[CONTEXT].jobs.events(before_id=number_of(request, "cursor"), limit=limit + 1)
    shown = rows[:limit]
    return page("events", [_event(row) for row in shown], shown[-1].id if len(rows) > limit else None)


async def dead_letters(request: web.Request) -> web.Response:
    """Newest first. `watcher dead-letters replay` gives them another chance."""
    rows = await request.app[CONTEXT].jobs.dead_letters(limit=limit_of(request))
    return page("dead_letters", [_job(row) for row in rows], None)


def _event(row: EventRow) -> dict[str, Any]:
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
    }


def _job(row: JobRow) -> dict[str, Any]:
    return {
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
