"""`/hooks/{source}[/{token}]`: hand a request to the source it is for.

Whoever guesses learns nothing: an unknown source, a wrong token and a missing one get the same answer.
"""

import re
import secrets
from functools import partial

import structlog
from aiohttp import web

from watcher.api.bodies import read_body
from watcher.api.context import CONTEXT
from watcher.api.guard import add_open
from watcher.api.problems import problem
from watcher.kit.secret import Secret
from watcher.sources.protocol import HookRequest, Reply

log = structlog.get_logger(__name__)

# What any sender uses: some tell news by GET, some ask by OPTIONS first. Which of them one may use, its source says.
METHODS = ("GET", "OPTIONS", "POST", "PUT")
# A name that is a path as it stands.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+")
# Compared against when there is no such source, so that the answer takes the same time.
_NOBODY = Secret(secrets.token_urlsafe(32))


def install(app: web.Application) -> None:
    """The routes. Those of configured sources without a token are found by their path alone, which is most of all requests."""
    for method in METHODS:
        for name in app[CONTEXT].hooks:
            if _PLAIN_NAME.fullmatch(name):
                add_open(app, method, f"/hooks/{name}", receive)
        add_open(app, method, "/hooks/{source}", receive)
        add_open(app, method, "/hooks/{source}/{token}", receive)


async def receive(request: web.Request) -> web.Response:
    """Answer 401, before the body is read unless it is what had to be signed, or whatever the source answers."""
    context = request.app[CONTEXT]
    name = request.match_info.get("source") or request.path.removeprefix("/hooks/")
    token = request.match_info.get("token")
    hook = context.hooks.get(name)
    if hook is None:
        _NOBODY.matches(str(token or request.headers.get("Authorization", "")))
        if times := context.refusals.times("unknown"):
            log.warning("hook.refused", source="unknown", peer=request.remote, times=times)
        context.metrics.events.labels("unknown", "refused", "unauthorized").inc()
    else:
        reply = await hook.receive(
            HookRequest(
                method=request.method,
                headers=request.headers,
                query=request.rel_url.raw_query_string,
                path_token=token,
                read=partial(read_body, request, context.limits),
            )
        )
        if reply is not None:
            return _answer(reply)
        # A person must act: a registry that is refused keeps its events and delivers nothing until it is let in.
        if times := context.refusals.times(f"source {name}"):
            log.error("hook.refused", source=name, peer=request.remote, times=times)
        context.metrics.events.labels(name, "refused", "unauthorized").inc()
    refused = problem(401, "Unauthorized", headers={"WWW-Authenticate": 'Bearer realm="hooks", Basic realm="hooks"'})
    refused.force_close()  # the body was not read, so the connection cannot be used again
    return refused


def _answer(reply: Reply) -> web.Response:
    answer = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
    if reply.closes:
        answer.force_close()
    return answer
