"""Everything the watcher does with a registry, tried once: from its name to what may be deleted there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from watcher.kit.checkup import STEP_SECONDS, Checkup, Found, Result
from watcher.kit.http_trouble import SPEAKS_TLS
from watcher.kit.units import seconds
from watcher.model.digest import Digest
from watcher.model.errors import (
    AuthenticationError,
    ForbiddenAddressError,
    NotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
    ThrottledError,
    WatcherError,
)
from watcher.model.reference import RepositoryName, Tag
from watcher.model.registry_kind import RegistryKind
from watcher.registry.challenges import Challenge
from watcher.registry.client import RegistryClient
from watcher.registry.probe_choice import Wanted, choose
from watcher.registry.probe_connection import STRANGER, connect, ping, pinged, resolve, told_time
from watcher.registry.probe_permissions import LIST, LOG_IN, PULL, PUSH, needed
from watcher.registry.probe_pull import Pulling
from watcher.registry.probe_write import Writing, begin_upload
from watcher.registry.protocol import CatalogUnavailableError
from watcher.registry.settings import RegistrySettings
from watcher.registry.wire import Response, Sleep

# Between two requests of one step; a registry may ask for more.
MOST_WAIT_SECONDS = 3.5
PULLS = ("head", "get", "blob", "referrers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far to go. `must_write`: something is configured that writes there. `write`: leave an artefact there for a moment."""

    must_write: bool = False
    write: bool = False


async def _impatient(wait_seconds: float) -> None:
    """Raises ThrottledError instead of waiting longer than the next line is waited for."""
    if wait_seconds > MOST_WAIT_SECONDS:
        wish = f"the registry wants to be left alone for {wait_seconds:.0f} s"
        raise ThrottledError(wish, retry_after_seconds=wait_seconds)
    await asyncio.sleep(wait_seconds)


async def probe(settings: RegistrySettings, wanted: Wanted, extent: Extent, *, sleep: Sleep = _impatient) -> Checkup:
    """One line for every step; nothing is raised."""
    kind = settings.registry_kind
    checkup = Checkup(advise=lambda step, error: advice_for(kind, step, error))
    # A request may be slower than a person waits; it is the steps that end it.
    quick = msgspec.structs.replace(settings, timeout=f"{min(seconds(settings.timeout), STEP_SECONDS):g}s")
    opened: list[RegistryClient] = []

    async def configured() -> Found:
        opened.append(RegistryClient(quick, sleep=sleep))
        return Found(detail=f"{settings.base_url}, as {kind}")

    if await checkup.step("settings", configured) is Result.FAILED:
        return checkup
    (client,) = opened
    async with client:
        await _Probe(client, checkup, wanted, extent).run()
    return checkup


class _Probe:
    def __init__(self, client: RegistryClient, checkup: Checkup, wanted: Wanted, extent: Extent) -> None:
        self._client = client
        self._checkup = checkup
        self._wanted = wanted
        self._extent = extent
        self._answer: Response | None = None
        self._challenges: Sequence[Challenge] = ()
        self._is_anonymous = False
        self._image: tuple[RepositoryName, Tag | Digest] | None = None
        self._may_push = False

    async def run(self) -> None:
        client, step = self._client, self._checkup.step
        await step("dns", lambda: resolve(client))
        await step("connect", lambda: connect(client), after=["dns"])
        await step("ping", self._ping, after=["connect"])
        if (answer := self._answer) is None:
            self._checkup.note("clock", Found(detail="needs ping", result=Result.SKIPPED))
        else:
            await step("clock", lambda: told_time(client, answer))
        await step("credentials", self._credentials)
        await step("login", self._log_in, after=["ping", "credentials"])
        await step("image", self._choose, after=["login"])
        await self._pull()
        await self._push()

    async def _pull(self) -> None:
        step = self._checkup.step
        if self._image is None:
            for name in PULLS:
                self._checkup.note(name, Found(detail="needs image", result=Result.SKIPPED))
            return
        pulling = Pulling(self._client, *self._image)
        await step("head", pulling.head)
        await step("get", pulling.get)
        await step("blob", pulling.blob, after=["get"])
        await step("referrers", pulling.referrers, after=["get"])

    async def _push(self) -> None:
        step, repository = self._checkup.step, self._wanted.repository or (self._image[0] if self._image else None)
        if repository is None:
            self._checkup.note("push", Found(detail="needs a repository", result=Result.SKIPPED))
            return
        await step("push", lambda: self._begin_upload(repository), after=["login"])
        if not self._extent.write:
            untried = Found(detail="not tried; --write attaches a small artefact, and deletes it again", result=Result.SKIPPED)
            self._checkup.note("attach", untried)
            return
        if not self._may_push:
            self._checkup.note("attach", Found(detail="needs push", result=Result.SKIPPED))
            return
        writing = Writing(self._client, repository)
        await step("attach", writing.attach)
        await step("tags", writing.move, after=["attach"])
        if writing.put:
            await step("delete", writing.delete)

    async def _ping(self) -> Found:
        self._answer, self._challenges = await ping(self._client)
        return pinged(self._client, self._answer, self._challenges)

    async def _credentials(self) -> Found:
        """Where they come from, and never what they are."""
        sources = self._client.credential_sources()
        for called, source in sources.items():
            found = await source.fetch()
            if found is not None:
                own = found.of("")
                whose = f" for {own.username}" if own is not None and own.username and own.password is not None else ""
                return Found(detail=f"{called}{whose}")
        self._is_anonymous = True
        if self._client.settings.auth is not None:
            return Found(detail="anonymous, as `auth` says")
        return Found(detail=f"anonymous: nothing in {', nor in '.join(sources)}")

    async def _log_in(self) -> Found:
        """`/v2/` with what we have. Raises as `RegistryClient.request`."""
        if not self._challenges:
            return Found(detail="not asked for")
        try:
            await self._client.request("GET", "/v2/", attempts=1)
        except AuthenticationError as error:
            # A service that tells us what it grants may know us, and not what `/v2/` asked for in the name of a repository.
            if not self._is_anonymous and "answered 403" not in str(error):
                raise
            advice = "if images are not found below, see `auth`: there are no credentials, or too little is granted to them"
            return Found(detail=str(error), result=Result.WARNING, advice=advice)
        is_token = any(each.scheme == "bearer" for each in self._challenges)
        if self._is_anonymous:
            return Found(detail="a token was given to nobody in particular: only what is public can be read")
        return Found(detail="a token was given" if is_token else "the password is taken")

    async def _choose(self) -> Found:
        try:
            self._image = await choose(self._client, self._wanted)
        except (NotFoundError, CatalogUnavailableError) as error:
            host = self._client.registry
            if self._wanted.repository is not None:
                raise
            how = f"watcher doctor {host}/REPOSITORY:TAG"
            allowed = needed(LIST, self._client.settings.registry_kind)
            advice = how if not isinstance(error, CatalogUnavailableError) or not allowed else f"{how}; to list, {allowed}"
            return Found(detail=str(error), result=Result.SKIPPED, advice=advice)
        repository, reference = self._image
        return Found(detail=f"{repository}{'@' if ':' in reference else ':'}{reference}")

    async def _begin_upload(self, repository: RepositoryName) -> Found:
        try:
            found = await begin_upload(self._client, repository)
        except (AuthenticationError, NotFoundError, RegistryRefusedError) as error:
            if self._extent.must_write:
                raise
            return Found(detail=f"may not, and need not: nothing that is configured writes there ({error})")
        self._may_push = True
        return found


def advice_for(kind: RegistryKind, step: str, error: WatcherError) -> str:
    """What to do when a step at a registry failed, as a phrase."""
    text = str(error)
    if step == "dns":
        return "see whether the host is written right, and which name server this machine asks"
    if isinstance(error, ForbiddenAddressError):
        return _way_out(text)
    if isinstance(error, ThrottledError):
        return "wait, and set requests_per_second; signed-in accounts may ask more often"
    if SPEAKS_TLS in text:
        return "write scheme: https"
    if isinstance(error, RegistryUnavailableError):
        return "see whether it runs, and whether a firewall or proxy is in between" if step == "connect" else ""
    if step == "ping":
        return "see whether this is the host that clients name in docker pull"
    if step in {"settings", "credentials"}:
        return needed(LOG_IN, kind)
    if step == "login":
        return needed(LOG_IN, kind) or "see whether user name and password are right: docker login says the same"
    if step == "push":
        return needed(PUSH, kind)
    if step == "attach":
        return needed(PUSH, kind) if isinstance(error, AuthenticationError) else ""
    if isinstance(error, NotFoundError):
        return f"see whether it is there under that name; some registries say so to whoever may not see it: {needed(PULL, kind)}"
    return needed(PULL, kind) if step in {*PULLS, "image"} else ""


def _way_out(text: str) -> str:
    if "private_redirects" in text:
        return "if that is where its blobs are kept, write private_redirects: true (never for link-local addresses)"
    if "token_hosts" in text:
        return STRANGER
    return ""
