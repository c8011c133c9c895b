"""`/healthz`, `/readyz` and `/metrics`."""

import asyncio
from typing import Any

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.problems import problem
from watcher.api.sources import hearing
from watcher.model.errors import RetryableError

# A store that takes longer than this to write a little, or to count its jobs, is not ready for more of them.
STORE_SECONDS = 2.0


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
    down = context.down()
    answer: dict[str, Any] = {"status": "degraded", "down": dict(down)} if down else {"status": "ready"}
    return web.json_response({**answer, "sources": {each.name: hearing(each.health) for each in context.sources}})


async def metrics(request: web.Request) -> web.Response:
    """The text format of Prometheus. Without the store's numbers when the store does not answer: the rest is needed then."""
    context = request.app[CONTEXT]
    for source in context.sources:
        health = source.health
        context.metrics.show_source(
            source.name, connected=health.connected, last_event_at=health.last_event_at, lag_seconds=health.lag_seconds
        )
    try:
        async with asyncio.timeout(STORE_SECONDS):
            depth = await context.jobs.depth()
            publications = await context.publications.counts()
    except (RetryableError, TimeoutError):
        context.metrics.forget_store()
    else:
        context.metrics.show_backlog(depth.jobs, depth.oldest_seconds)
        context.metrics.show_outbox(publications)
    return web.Response(body=context.metrics.exposition(), headers={"Content-Type": context.metrics.content_type})
