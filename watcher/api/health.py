"""`/healthz`, `/readyz` and `/metrics`."""

import asyncio
from typing import Any

from aiohttp import web

from watcher.api.context import CONTEXT, ApiContext
from watcher.api.problems import problem
from watcher.api.sources import hearing
from watcher.model.errors import RetryableError
from watcher.model.moments import iso
from watcher.publishing.protocol import Standing

# A store that takes longer than this to write a little, or to count its jobs, is not ready for more of them.
STORE_SECONDS = 2.0
SHOWN_TO_ONE: web.AppKey[asyncio.Lock] = web.AppKey("shown_to_one", asyncio.Lock)


async def alive(request: web.Request) -> web.Response:
    """The event loop turns. Says nothing about anything else: a restart would not repair a registry."""
    del request
    return web.json_response({"status": "alive"})


async def ready(request: web.Request) -> web.Response:
    """Events that arrive now would be taken in: something was written a moment ago at most.

    A part that is down makes it degraded, not unready: the others do their work. Anybody may ask, so of a part there is a word;
    the sentence is in the log.
    """
    context = request.app[CONTEXT]
    reason = context.not_ready()
    if reason is None:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                reason = await context.store_trouble()
        except TimeoutError:
            reason = "the store does not answer"
    if reason is not None:
        return problem(503, "Not ready", detail=reason)
    away = {f"publisher-{name}": "unreachable" for name, each in context.destinations().items() if not each.reachable}
    down = {**context.down(), **away}
    answer: dict[str, Any] = {"status": "degraded", "down": down} if down else {"status": "ready"}
    answer["sources"] = {each.name: hearing(each.health) for each in context.sources}
    answer["destinations"] = {name: _reached(each) for name, each in context.destinations().items()}
    return web.json_response(answer)


def _reached(standing: Standing) -> dict[str, Any]:
    """What anybody may know of a destination."""
    return {
        "reachable": standing.reachable,
        "problem": standing.problem,
        "held": standing.held,
        "last_published_at": iso(standing.last_published_at) if standing.last_published_at else None,
    }


async def metrics(request: web.Request) -> web.Response:
    """The text format of Prometheus. Without the store's numbers when the store does not answer: the rest is needed then.

    One after the other: what is shown of the store is taken away and put anew. Files of /proc are read beside the event loop.
    """
    context = request.app[CONTEXT]
    async with request.app[SHOWN_TO_ONE]:
        await _show(context)
        body = await asyncio.to_thread(context.metrics.exposition)
    return web.Response(body=body, headers={"Content-Type": context.metrics.content_type})


async def _show(context: ApiContext) -> None:
    for source in context.sources:
        health = source.health
        context.metrics.show_source(
            source.name, connected=health.connected, last_event_at=health.last_event_at, lag_seconds=health.lag_seconds
        )
    for name, standing in context.destinations().items():
        context.metrics.show_publisher(name, held=standing.held is not None, last_published_at=standing.last_published_at)
    try:
        async with asyncio.timeout(STORE_SECONDS):
            depth = await context.jobs.depth()
            publications, oldest = await context.publications.counts(), await context.publications.oldest()
            quarantines = await context.quarantines.counts()
    except (RetryableError, TimeoutError):
        context.metrics.forget_store()
    else:
        context.metrics.show_backlog(depth.jobs, depth.oldest_seconds)
        now = context.clock()
        waited = {name: (now - since).total_seconds() for name, since in oldest.items()}
        context.metrics.show_outbox(publications, waited)
        context.metrics.show_quarantines(quarantines)
