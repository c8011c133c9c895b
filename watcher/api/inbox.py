"""`/api/v1/events` and `/api/v1/dead-letters`: what arrived, and what could not be done."""

from typing import Any

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.paging import limit_of, number_of, page
from watcher.backlog.inbox_json import event_json, job_json
from watcher.backlog.protocol import JobRow
from watcher.store.dead_letters_json import failed_publication_json
from watcher.store.protocol import PUBLICATION, FailedPublication


async def events(request: web.Request) -> web.Response:
    """Newest first."""
    limit = limit_of(request)
    rows = await request.app[CONTEXT].jobs.events(before_id=number_of(request, "cursor"), limit=limit + 1)
    shown = rows[:limit]
    return page("events", [event_json(row) for row in shown], shown[-1].id if len(rows) > limit else None)


async def dead_letters(request: web.Request) -> web.Response:
    """Jobs, then publications, each newest first. `watcher dead-letters replay` gives them another chance."""
    context, limit, cursor = request.app[CONTEXT], limit_of(request), request.query.get("cursor")
    rows: list[JobRow | FailedPublication] = []
    if cursor is None or not cursor.startswith(PUBLICATION):
        rows += await context.jobs.dead_letters(before_id=cursor, limit=limit + 1)
        cursor = None
    if len(rows) <= limit:
        rows += await context.publications.failed(before_id=cursor, limit=limit + 1 - len(rows))
    shown = rows[:limit]
    return page("dead_letters", [_dead_letter_json(row) for row in shown], shown[-1].id if len(rows) > limit else None)


def _dead_letter_json(row: JobRow | FailedPublication) -> dict[str, Any]:
    return job_json(row) if isinstance(row, JobRow) else failed_publication_json(row)
