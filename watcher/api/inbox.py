"""`/api/v1/events` and `/api/v1/dead-letters`: what arrived, and what could not be done."""

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.paging import limit_of, number_of, page
from watcher.backlog.inbox_json import event_json, job_json


async def events(request: web.Request) -> web.Response:
    """Newest first."""
    limit = limit_of(request)
    rows = await request.app[CONTEXT].jobs.events(before_id=number_of(request, "cursor"), limit=limit + 1)
    shown = rows[:limit]
    return page("events", [event_json(row) for row in shown], shown[-1].id if len(rows) > limit else None)


async def dead_letters(request: web.Request) -> web.Response:
    """Newest first. `watcher dead-letters replay` gives them another chance."""
    limit = limit_of(request)
    rows = await request.app[CONTEXT].jobs.dead_letters(before_id=request.query.get("cursor"), limit=limit + 1)
    shown = rows[:limit]
    return page("dead_letters", [job_json(row) for row in shown], shown[-1].id if len(rows) > limit else None)
