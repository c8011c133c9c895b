"""`/api/v1/sources`: whether news that is sent now would arrive, and if not, why."""

from typing import Any

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.model.moments import iso
from watcher.sources.protocol import Health, Source


async def listing(request: web.Request) -> web.Response:
    """In the order of the configuration."""
    return web.json_response({"sources": [_json(each) for each in request.app[CONTEXT].sources]})


def hearing(health: Health) -> dict[str, Any]:
    """What anybody may know: no sentence, which may name hosts."""
    return {
        "connected": health.connected,
        "last_event_at": iso(health.last_event_at) if health.last_event_at else None,
        "lag_seconds": health.lag_seconds,
    }


def _json(source: Source) -> dict[str, Any]:
    return {"name": source.name, **hearing(source.health), "problem": source.health.problem or None}
