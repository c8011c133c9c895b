"""Who may use the API: whoever holds `server.api_token`, when there is one."""

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.problems import Handler, problem
from watcher.kit.secret import Secret

# These have a check of their own, or are asked by machines that hold no token.
OPEN_PREFIXES = ("/hooks/", "/k8s/")
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


def bears(request: web.Request, secret: Secret) -> bool:
    """Whether `Authorization` is `Bearer` and the secret. Constant time in how far the token matches."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return secret.matches(token.strip()) and scheme.lower() == "bearer"


@web.middleware
async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse before anything is looked up, so that even what exists is not told."""
    secret = request.app[CONTEXT].api_token
    free = request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIXES)
    if secret is None or free or bears(request, secret):
        return await handler(request)
    return problem(401, "Unauthorized", detail="send `Authorization: Bearer` with server.api_token", headers=_CHALLENGE)


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="watcher"'}
