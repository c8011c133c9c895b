"""Who may use the API: whoever holds `server.api_token`, when there is one."""

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.problems import Handler, problem
from watcher.kit.secret import Secret

OPEN: web.AppKey[set[web.AbstractRoute]] = web.AppKey("open")
"""Routes that need no token. Whatever is not among them does, also what is no route at all."""


def add_open(app: web.Application, method: str, path: str, handler: Handler) -> None:
    """Register a route that has a check of its own, or is asked by machines that hold no token."""
    app[OPEN].add(app.router.add_route(method, path, handler))


def bears(request: web.Request, secret: Secret) -> bool:
    """Whether `Authorization` is `Bearer` and the secret. Constant time in how far the token matches."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return secret.matches(token.strip()) and scheme.lower() == "bearer"


@web.middleware
async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse before anything is looked up, so that even what exists is not told."""
    secret = request.app[CONTEXT].api_token
    if secret is None or request.match_info.route in request.app[OPEN] or bears(request, secret):
        return await handler(request)
    return problem(401, "Unauthorized", detail="send `Authorization: Bearer` with server.api_token", headers=_CHALLENGE)


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="watcher"'}
