"""The HTTP server: every route on one screen, and what stands before all of them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aiohttp import web
from aiohttp.log import server_logger

from watcher.api import admission, evaluations, health, hooks, images, inbox, ledger, packages, sources, vulnerabilities
from watcher.api.connections import Connections
from watcher.api.context import CONTEXT, ApiContext
from watcher.api.guard import OPEN, add_open, guarding
from watcher.api.limits import LIMITS, Limits
from watcher.api.listening import Listener, MalformedLog
from watcher.api.problems import answering
from watcher.api.renewal import keep_current
from watcher.api.settings import ServerSettings
from watcher.kit.certificate_metrics import CertificateMetrics
from watcher.kit.regular_files import read_regular
from watcher.model.errors import ConfigurationError

# The largest request that is read whole: a review holds an object before and after, of which etcd takes 1.5 MiB each.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# Within the ten seconds that a daemon has to end in.
SHUTDOWN_SECONDS = 3.0


def build_app(context: ApiContext) -> web.Application:
    app = web.Application(middlewares=[answering, guarding], client_max_size=MAX_REQUEST_BYTES)
    app[CONTEXT] = context
    app[OPEN] = set()
    app[health.SHOWN_TO_ONE] = asyncio.Lock()
    for method in ("GET", "HEAD"):  # load balancers ask for the headers alone
        add_open(app, method, "/healthz", health.alive)
        add_open(app, method, "/readyz", health.ready)
        add_open(app, method, "/metrics", health.metrics)
    hooks.install(app)
    add_open(app, "POST", "/k8s/admission", admission.review)
    add_open(app, "POST", "/k8s/admission/{token}", admission.review)
    app.router.add_post("/api/v1/evaluations", evaluations.submit)
    app.router.add_get("/api/v1/evaluations/{id}", evaluations.show)
    app.router.add_get("/api/v1/images", images.listing)
    app.router.add_get("/api/v1/images/{digest}", images.one)
    app.router.add_get("/api/v1/images/{digest}/inspection", images.inspection)
    app.router.add_get("/api/v1/images/{digest}/sbom", images.sbom)
    app.router.add_get("/api/v1/images/{digest}/verdicts", images.verdicts)
    app.router.add_get("/api/v1/images/{digest}/vulnerabilities", vulnerabilities.of_image)
    app.router.add_get("/api/v1/verdicts", images.newest)
    app.router.add_get("/api/v1/verdicts/{id}", images.verdict)
    app.router.add_get("/api/v1/packages", packages.listing)
    app.router.add_get("/api/v1/vulnerabilities/{id}", vulnerabilities.one)
    app.router.add_get("/api/v1/events", inbox.events)
    app.router.add_get("/api/v1/ledger", ledger.lines)
    app.router.add_get("/api/v1/ledger/images", ledger.images)
    app.router.add_get("/api/v1/ledger/registries", ledger.registries)
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
    tls = tls_context(settings)
    counted = _counting(app)
    connections = Connections(limits, counted)
    app.middlewares.insert(0, connections.answering)
    runner = web.AppRunner(
        app,
        logger=MalformedLog(server_logger, counted),
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
        assert runner.server is not None
        listener = Listener(runner.server, connections, tls, limits)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(listener.close)
            if tls is not None and settings.tls is not None:
                keeping = keep_current(tls, settings.tls, partial(tls_context, settings), _certificate(app))
                renewal = asyncio.create_task(keeping, name="renewal")
                stack.callback(renewal.cancel)
            yield await listener.open(settings)
    finally:
        await runner.cleanup()


def _counting(app: web.Application) -> Callable[[str], None]:
    context = app.get(CONTEXT)
    return context.metrics.count_connection if context is not None else lambda _reason: None


def _certificate(app: web.Application) -> Callable[[float], None]:
    context = app.get(CONTEXT)
    return CertificateMetrics(context.metrics.registry).show if context is not None else lambda _ends_at: None


def tls_context(settings: ServerSettings) -> ssl.SSLContext | None:
    """What we show to whoever connects; None for plain HTTP. Reads the files; raises ConfigurationError."""
    if settings.tls is None:
        return None
    given = settings.tls
    for key, path in (("cert", given.cert), ("key", given.key)):
        try:
            read_regular(path)
        except OSError as error:
            raise ConfigurationError(f"server.tls.{key}: {path}: cannot be read: {error.strerror}") from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(given.cert, given.key, password="")
    except OSError as error:  # that of OpenSSL is one
        what = "are no certificate in PEM and its key, or the key has a passphrase"
        raise ConfigurationError(f"server.tls: {given.cert} and {given.key} {what}") from error
    return context
