"""The HTTP server: every route on one screen, and what stands before all of them."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from watcher.api import admission, evaluations, health, hooks, images, inbox, sources
from watcher.api.context import CONTEXT, ApiContext
from watcher.api.guard import OPEN, add_open, guarding
from watcher.api.limits import LIMITS, Limits
from watcher.api.listening import OCCUPIED, listen, occupying
from watcher.api.problems import answering
from watcher.api.settings import ServerSettings
from watcher.model.errors import ConfigurationError

# The largest request that is read whole: a review holds an object before and after, of which etcd takes 1.5 MiB each.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# Within the ten seconds that a daemon has to end in.
SHUTDOWN_SECONDS = 3.0


def build_app(context: ApiContext) -> web.Application:
    app = web.Application(middlewares=[occupying, answering, guarding], client_max_size=MAX_REQUEST_BYTES)
    app[CONTEXT] = context
    app[OCCUPIED] = {}
    app[OPEN] = set()
    add_open(app, "GET", "/healthz", health.alive)
    add_open(app, "GET", "/readyz", health.ready)
    add_open(app, "GET", "/metrics", health.metrics)
    hooks.install(app)
    add_open(app, "POST", "/k8s/admission", admission.review)
    add_open(app, "POST", "/k8s/admission/{token}", admission.review)
    app.router.add_post("/api/v1/evaluations", evaluations.submit)
    app.router.add_get("/api/v1/evaluations/{id}", evaluations.show)
    app.router.add_get("/api/v1/images", images.listing)
    app.router.add_get("/api/v1/images/{digest}", images.one)
    app.router.add_get("/api/v1/images/{digest}/inspection", images.inspection)
    app.router.add_get("/api/v1/images/{digest}/verdicts", images.verdicts)
    app.router.add_get("/api/v1/verdicts", images.newest)
    app.router.add_get("/api/v1/events", inbox.events)
    app.router.add_get("/api/v1/sources", sources.listing)
    app.router.add_get("/api/v1/dead-letters", inbox.dead_letters)
    admission.install(app)
    return app


@asynccontextmanager
async def serving(app: web.Application, settings: ServerSettings, limits: Limits = LIMITS) -> AsyncIterator[tuple[str, int]]:
    """Listen while inside, and give the address, whose port was chosen by the system when the configured one is 0.

    Leaving stops listening first and gives requests under way SHUTDOWN_SECONDS.

    Raises:
        ConfigurationError: the address cannot be listened on, or the certificate cannot be read.
    """
    tls = _tls(settings)
    runner = web.AppRunner(
        app,
        access_log=None,  # it would write paths, and with them tokens; problems.answering writes routes
        handle_signals=False,
        # What is compressed is not unpacked: no registry compresses, and a bomb is then 8 MiB of bytes that are no JSON.
        auto_decompress=False,
        shutdown_timeout=SHUTDOWN_SECONDS,
        # How long the rest of a body that was refused unread is thrown away, so that the sender sees why before we hang up.
        lingering_time=1.0,
        keepalive_timeout=limits.idle_seconds,
    )
    await runner.setup()
    try:
        listening = await listen(runner, settings, tls, limits)
        try:
            host, port = listening.sockets[0].getsockname()[:2]
            yield str(host), int(port)
        finally:
            listening.close()
    finally:
        await runner.cleanup()


def _tls(settings: ServerSettings) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls.cert, settings.tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"server.tls: {settings.tls.cert} and {settings.tls.key} cannot be used: {error}") from error
    return context
