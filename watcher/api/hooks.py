"""`POST /hooks/{source}[/{token}]`: hand a request to the source it is for.

Whoever guesses learns nothing: an unknown source, a wrong token and a missing one get the same answer.
"""

import secrets

import structlog
from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.problems import problem
from watcher.kit.secret import Secret

log = structlog.get_logger(__name__)

# Compared against when there is no such source, so that the answer takes the same time.
_NOBODY = Secret(secrets.token_urlsafe(32))


async def receive(request: web.Request) -> web.Response:
    """Answer 401 before the body is read, or whatever the source answers."""
    context = request.app[CONTEXT]
    name = request.match_info["source"]
    token = request.match_info.get("token")
    hook = context.hooks.get(name)
    if hook is None:
        _NOBODY.matches(str(token or request.headers.get("Authorization", "")))
        log.warning("hook.refused", source="unknown", peer=request.remote)
        context.metrics.events.labels("unknown", "refused", "unauthorized").inc()
    elif not hook.admits(request, token):
        # A person must act: a registry that is refused keeps its events and delivers nothing until it is let in.
        log.error("hook.refused", source=name, peer=request.remote)
        context.metrics.events.labels(name, "refused", "unauthorized").inc()
    else:
        return await hook.receive(request)
    refused = problem(401, "Unauthorized", headers={"WWW-Authenticate": 'Bearer realm="hooks", Basic realm="hooks"'})
    refused.force_close()  # the body was not read, so the connection cannot be used again
    return refused
