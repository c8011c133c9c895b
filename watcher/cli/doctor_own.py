"""`watcher doctor`: what the watcher has itself: its port, its store, its policies and its vulnerability data."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import aiohttp
import msgspec

from watcher.advisories.gatherer import AdvisoryGatherer
from watcher.api.app import tls_context
from watcher.api.settings import ServerSettings
from watcher.cli.doctor_areas import Area
from watcher.cli.preflight import compiled, looked
from watcher.evaluation.policies.loading import load_settings
from watcher.kit.checkup import Checkup, Found, Result
from watcher.kit.clock import utc_now
from watcher.kit.secret import resolve
from watcher.kit.sqlite_condition import ROOM_BYTES
from watcher.kit.sqlite_trouble import free_bytes
from watcher.kit.units import seconds
from watcher.settings import Configuration, Settings
from watcher.storage import opened
from watcher.store.protocol import SubjectFilter

ANSWER_SECONDS = 5.0
# What is down is named with a sentence each: some KiB. Whoever says more is somebody else.
ANSWER_BYTES = 256 * 1024
UPDATE = "watcher advisories update"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  addresses that are listened on, as they are reached


def configuration_area(configuration: Configuration) -> Area:
    """What would keep the daemon from beginning, as `watcher config check` says it."""

    async def look() -> Checkup:
        checkup = Checkup()
        seen = await looked(configuration)
        for problem in seen.problems:
            checkup.note("begin", Found(detail=problem, result=Result.FAILED))
        for warning in seen.warnings:
            checkup.note("begin", Found(detail=warning, result=Result.WARNING))
        if not checkup.steps:
            checkup.note("begin", Found(detail="nothing in it keeps the daemon from beginning"))
        return checkup

    return Area(kind="configuration", name=configuration.source.file, look=look)


def own_areas(settings: Settings, folder: Path) -> Sequence[Area]:
    """`folder` is where relative paths of the configuration begin."""

    async def look() -> Checkup:
        checkup = Checkup(advise=lambda _step, _error: "")
        await checkup.step("server", lambda: _server(settings.server))
        await checkup.step("store", lambda: _store(settings))
        await checkup.step("policies", lambda: _policies(settings, folder))
        await checkup.step("advisories", lambda: _advisories(settings, folder))
        return checkup

    return [Area(kind="watcher", name=settings.server.place, look=look)]


async def _server(server: ServerSettings) -> Found:
    """Whether a daemon of ours listens, or could. Raises ConfigurationError for certificates and secrets."""
    if server.api_token is not None:
        resolve(server.api_token)
    tls_context(server)
    if server.port == 0:
        return Found(detail="the system chooses a port; where the daemon listens is in its log")
    url = msgspec.structs.replace(server, host=EVERYWHERE.get(server.host, server.host), public_url="").url
    try:
        # Its certificate is for the name that others use.
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            aiohttp.ClientSession(auto_decompress=False) as session,
            # Whoever leads elsewhere is no watcher, and could lead anywhere.
            session.get(f"{url}/readyz", ssl=False, allow_redirects=False) as answer,
        ):
            if answer.status not in {200, 503}:
                return _taken(server)
            document = msgspec.json.decode(await _read(answer))
    except aiohttp.ClientConnectorError:
        return _free(server)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError):  # what is no JSON among them
        return _taken(server)
    return _ready(document, server)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Raises ValueError for more than a daemon of ours says."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > ANSWER_BYTES:
            raise ValueError
    return bytes(body)


def _ready(document: object, server: ServerSettings) -> Found:
    if not isinstance(document, dict):
        return _taken(server)
    status, down = document.get("status"), document.get("down")
    if status == "ready":
        return Found(detail="the daemon runs, and is ready")
    if status == "degraded" and isinstance(down, dict):
        parts = ", ".join(f"{name}: {_text(why)}" for name, why in down.items())
        return Found(detail=f"the daemon runs without {parts}", result=Result.WARNING, advice="its log says why")
    if document.get("title") == "Not ready":
        unready = f"the daemon runs, and is not ready: {_text(document.get('detail'))}"
        return Found(detail=unready, result=Result.FAILED, advice="its log says why")
    return _taken(server)


def _text(said: object) -> str:
    """What somebody says on our port who may be anybody: a sentence of a daemon of ours is text, and short."""
    return said[:500] if isinstance(said, str) else ""


def _taken(server: ServerSettings) -> Found:
    advice = "give the watcher another server.port, or end what listens there"
    return Found(detail=f"something else listens on port {server.port}", result=Result.FAILED, advice=advice)


def _free(server: ServerSettings) -> Found:
    """Nobody answers: whether we could listen."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((server.host, server.port))
        except OSError as error:
            advice = "another server.host or server.port; ports below 1024 take a privilege"
            return Found(detail=f"cannot be listened on: {error.strerror}", result=Result.FAILED, advice=advice)
    return Found(detail="no daemon runs; the port is free")


async def _store(settings: Settings) -> Found:
    """Raises ConfigurationError: of another version, or not to be read."""
    path = settings.store.sqlite_path()
    if not path.exists():
        return Found(detail=f"{path} is not there yet; the daemon makes it when it first runs")
    async with opened(settings.store) as storage:
        newest = await storage.images.newest(SubjectFilter(), limit=1)
    size = f"{path.stat().st_size / 2**20:.1f} MiB"
    if free_bytes(path) < ROOM_BYTES:
        advice = "make room, or give store.keep_verdicts a shorter time"
        return Found(detail=f"{path}: the disk is full", result=Result.FAILED, advice=advice)
    last = f"the newest verdict of {newest[0].evaluated_at:%Y-%m-%d %H:%M} UTC" if newest else "no verdict yet"
    return Found(detail=f"{path}: {size}, {last}")


async def _policies(settings: Settings, folder: Path) -> Found:
    """Raises PolicyError."""
    await compiled(await asyncio.to_thread(load_settings, settings.policies, beside=folder))
    named = ", ".join(settings.policies.packs) or "no pack"
    more = f" and {settings.policies.path}" if settings.policies.path else ""
    return Found(detail=f"{named}{more}: they compile")


async def _advisories(settings: Settings, folder: Path) -> Found:
    """Raises ConfigurationError for a file that cannot be read."""
    limit = seconds(settings.advisories.max_age)
    gatherer = AdvisoryGatherer(path=folder / settings.advisories.path, max_age_seconds=limit)
    oldest = await gatherer.oldest()
    if oldest is None:
        return Found(detail="no vulnerability data", result=Result.WARNING, advice=f"run: {UPDATE}")
    age = utc_now() - oldest
    told = f"vulnerability data are {timedelta(seconds=round(age.total_seconds()))} old"
    if age.total_seconds() > limit:
        older = f"{told}, more than max_age {settings.advisories.max_age}"
        return Found(detail=older, result=Result.WARNING, advice=f"what needs them is unknown; run: {UPDATE}")
    return Found(detail=told)
