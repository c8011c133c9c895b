"""Errors as `application/problem+json`, one line of log per request, and no token in either.

Spec: RFC 9457.
"""

import logging
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from watcher.kit.printable import one_line
from watcher.model.errors import InvalidReferenceError, RetryableError
from watcher.store.protocol import VerdictGoneError

log = structlog.get_logger(__name__)
_levels = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem(status: int, title: str, *, detail: str = "", reason: str = "", headers: dict[str, str] | None = None) -> web.Response:
    """`reason` is a low-cardinality word for programs, `detail` a sentence for people, shown with what others wrote as one line."""
    body = {"type": "about:blank", "title": title, "status": status}
    extra = {name: value for name, value in (("detail", one_line(detail)), ("reason", reason)) if value}
    return web.json_response({**body, **extra}, status=status, headers=headers, content_type="application/problem+json")


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost: every error becomes a problem, every request one line that names its route and never its path."""
    started = time.monotonic()
    try:
        response = await handler(request)
    except web.HTTPException as error:
        headers = {name: value for name, value in error.headers.items() if name in ("Allow", "Location", "WWW-Authenticate")}
        response = problem(error.status, error.reason, headers=headers)
    except InvalidReferenceError as error:
        response = problem(400, "Not a valid name", detail=str(error), reason=error.reason)
    except VerdictGoneError as error:
        response = problem(410, "The cursor leads nowhere", detail=str(error), reason=error.reason)
    except RetryableError as error:
        response = problem(503, "Cannot be answered now", detail=str(error), reason=error.reason, headers={"Retry-After": "1"})
    except Exception:  # the boundary of one request: its neighbours must be served
        log.exception("request.crashed", route=_route(request))
        response = problem(500, "Internal error")
    seconds = round(time.monotonic() - started, 4)
    if _levels.isEnabledFor(logging.DEBUG):  # asked first: this is the hot path of intake
        log.debug("request.answered", method=request.method, route=_route(request), status=response.status, seconds=seconds)
    return response


def _route(request: web.Request) -> str:
    """The pattern, not the path: hooks and admission carry tokens in theirs."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
