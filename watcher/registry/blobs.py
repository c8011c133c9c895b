"""One blob from a registry into a pipe, by a blocking thread: read 256 KiB, hash, write.

A thread and http.client cost less per byte than the event loop, and keep it free for everything that must answer quickly.
Sizes and digests are checked on this side of the pipe: who parses the bytes never vouches for them.
"""

import asyncio
import concurrent.futures
import hashlib
import http.client
import re
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from multidict import CIMultiDict
from yarl import URL

from watcher.kit.counted import counted
from watcher.kit.http_trouble import SPEAKS_TLS, asked_in_plain, clause
from watcher.model.errors import (
    AuthenticationError,
    DigestMismatchError,
    RegistryRefusedError,
    RegistryUnavailableError,
    RetryableError,
    WatcherError,
)
from watcher.model.image import Descriptor
from watcher.model.reference import RepositoryName
from watcher.registry.answers import MAX_ERROR_BYTES, refusal
from watcher.registry.blob_connection import BlobConnection
from watcher.registry.challenges import Way, scope
from watcher.registry.client import MAX_ANSWERS, RegistryClient
from watcher.registry.introduction import HIDING_STATUSES
from watcher.registry.mirrors import DISTRUSTED_SECONDS, Mirror, Mirrors
from watcher.registry.pipes import CHUNK_BYTES, Sink, Stop, run_transfer
from watcher.registry.redirects import REDIRECT_STATUSES, Hop, asked, followed
from watcher.registry.trouble import A_PAGE, NOTHING, unreachable
from watcher.registry.unwrapping import Begun, Unwrapped, body_of
from watcher.registry.wire import USER_AGENT

T = TypeVar("T")

# In a row and without a byte of progress; a transfer that moves may be cut as often as its deadline allows.
MAX_FAILURES = 4
FIRST_WAIT_SECONDS = 0.25
# Once to become known to a registry that hides what it holds, then with what it asks for.
MAX_RENEWALS = 1 + MAX_ANSWERS

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


async def pour_blob(
    client: RegistryClient,
    repository: RepositoryName,
    descriptor: Descriptor,
    sink: int,
    *,
    timeout_seconds: float,
    mirrors: Mirrors,
) -> None:
    """`ImageSource.pour` for a registry; see there for what is raised."""
    origins: list[Origin] = []
    for mirror in mirrors.ready():
        scopes = mirror.scopes(repository)
        try:
            authorization = await mirror.client.authorization(scopes)
            if not origins:
                await mirror.client.wire.pace.turn()
        except WatcherError as error:
            mirror.failed(error)
            continue
        url = mirror.url(repository, "blobs", descriptor.digest)
        origins.append(Origin(client=mirror.client, url=url, scopes=scopes, authorization=authorization, mirror=mirror))
    scopes, authorization = frozenset({scope(repository, "pull")}), None
    try:
        authorization = await client.authorization(scopes)
        if not origins:
            # The rate limit is waited for here: a thread that only waits is a thread wasted.
            await client.wire.pace.turn()
    except RetryableError:
        # With a mirror to ask there is perhaps no need for it; else it is asked for again, by its 401.
        if not origins:
            raise
    url = client.base_url / "v2" / repository / "blobs" / descriptor.digest
    origins.append(Origin(client=client, url=url, scopes=scopes, authorization=authorization))
    transfer = BlobTransfer(
        origins=origins,
        loop=asyncio.get_running_loop(),
        descriptor=descriptor,
        what=f"{client.registry}/{repository} blob {descriptor.digest}",
    )
    await run_transfer(transfer.run, sink, what=transfer.what, timeout_seconds=timeout_seconds)


class _CutError(Exception):
    """The connection ended early, or gives no parts; what arrived so far is good."""


class _EndedError(_CutError):
    """The answer says itself that it is at its end, and that is too early."""


@dataclass(slots=True, kw_only=True)
class Origin:
    """Where a blob may come from: a mirror, or, last of all, the registry itself."""

    client: RegistryClient
    url: URL
    scopes: frozenset[str]
    authorization: str | None
    mirror: Mirror | None = None
    gives_parts: bool = True  # until it has answered a Range with something else


@dataclass(slots=True, kw_only=True)
class BlobTransfer:
    """The state of one transfer; `run` is called once, in a thread, and its first request has had its turn already."""

    origins: Sequence[Origin]
    loop: asyncio.AbstractEventLoop
    descriptor: Descriptor
    what: str
    position: int = 0
    requests: int = 0
    parts: int = 0  # answers that brought bytes
    asked: str = ""  # what is wanted and whom we have come to for it, as errors say it

    def run(self, stop: Stop, sink: Sink) -> None:
        """Move every byte; raises what `ImageSource.pour` lists, and the two internal errors of `pipes`."""
        digest = hashlib.new(self.descriptor.digest.partition(":")[0])
        mixed: list[Mirror] = []
        for origin in self.origins:
            begun = self.position
            if origin.mirror is None:
                self._from_registry(origin, stop, sink, digest.update)
            elif not self._from_mirror(origin, origin.mirror, stop, sink, digest.update):
                mixed += [origin.mirror] if self.position > begun else []
                continue
            else:
                mixed.append(origin.mirror)
            break
        actual = f"{digest.name}:{digest.hexdigest()}"
        if actual == self.descriptor.digest:
            return
        wrong = DigestMismatchError(f"{self.what}: the bytes received are {actual}")
        if not mixed:
            if self.parts > 1:
                # Whoever answers may have been another one after a cut, or have had something else by then.
                raise RegistryUnavailableError(f"{self.what}: the bytes received in {self.parts} parts are {actual}")
            raise wrong
        # Perhaps none of them was the registry's: that says nothing about the blob, and next time it is asked alone.
        for mirror in mixed:
            self.loop.call_soon_threadsafe(partial(mirror.failed, wrong, rest_seconds=DISTRUSTED_SECONDS))
        raise RegistryUnavailableError(f"{self.what}: the bytes that came from a mirror are {actual}")

    def _from_mirror(self, origin: Origin, mirror: Mirror, stop: Stop, sink: Sink, update: Callable[[memoryview], None]) -> bool:
        """Whether it gave the rest. What it gave before it failed is kept; the next one goes on from there."""
        try:
            self._fetch(origin, stop, sink, update)
        except (OSError, http.client.HTTPException, _CutError, WatcherError) as error:
            stop.check()
            self.loop.call_soon_threadsafe(mirror.failed, error)
            return False
        return True

    def _from_registry(self, origin: Origin, stop: Stop, sink: Sink, update: Callable[[memoryview], None]) -> None:
        failures = 0
        while True:
            begun = self.position
            try:
                self._fetch(origin, stop, sink, update)
            # OSError: connection, TLS and silence longer than the socket's timeout. A certificate does not get better.
            except ssl.SSLCertVerificationError as error:
                raise unreachable(self.asked, error) from error
            except (OSError, http.client.HTTPException, _CutError, RegistryUnavailableError) as error:
                stop.check()  # a socket that was shut down under us looks like a cut
                if not isinstance(error, WatcherError):
                    self.loop.call_soon_threadsafe(origin.client.wire.unheard)
                failures = 1 if self.position > begun else failures + 1
                if failures >= MAX_FAILURES:
                    if isinstance(error, WatcherError):
                        raise
                    if isinstance(error, _EndedError) and self.position:
                        # Nothing was cut: this is all that there is, or whoever is in between has kept no more.
                        came = f"ends after {counted(self.position, 'byte')} at each attempt"
                        raise DigestMismatchError(f"{self.asked}: {came}, the manifest says {self.descriptor.size}") from error
                    reason = f"{failures} attempts without progress at byte {self.position} of {self.descriptor.size}"
                    said = "the answer broke off" if isinstance(error, _CutError) else clause(error)
                    raise unreachable(self.asked, f"{reason}: {said}") from error
                self._on_loop(origin.client.pause(FIRST_WAIT_SECONDS * 2 ** (failures - 1)), stop)
            else:
                return

    def _fetch(self, origin: Origin, stop: Stop, sink: Sink, update: Callable[[memoryview], None]) -> None:
        """Ask from `position` on, follow redirects, and move what comes.

        Once more with a new token after a 401, once more when the registry does not know us yet, and once more from the beginning
        after a 403 from where we were sent: the URL was signed for a while, and that is over.
        """
        client = origin.client
        hop, hops, renewals, sent_again = Hop(url=origin.url, authorized=True), 0, 0, False
        tried: set[Way] = set()
        strangers: dict[URL, str] = {}
        while True:
            if hop.authorized:  # how fast a store is asked is not for the registry to say
                if self.requests:
                    self._on_loop(client.wire.pace.turn(), stop)
                self.requests += 1
            proxy = client.wire.proxies.of(hop.url)
            self.asked = asked(self.what, origin.url, hop.url) + (f" through the proxy {proxy.name}" if proxy else "")
            connection = BlobConnection(hop.url, client.wire, stop)
            response: http.client.HTTPResponse | None = None
            try:
                response = connection.get(self._headers(hop, origin, strangers.get(hop.url.origin())))
                headers = CIMultiDict(response.headers.items())
                self.loop.call_soon_threadsafe(client.wire.heard, response.status)
                if response.status in {200, 206}:
                    self._receive(origin, response, stop, sink, update)
                    return
                if response.status in REDIRECT_STATUSES:
                    location = response.headers.get("Location")
                    hop, hops = followed(hop, response.status, location, client.guard, hops=hops, what=self.asked), hops + 1
                elif hop.authorized and renewals < MAX_RENEWALS and (better := self._better(origin, response, tried, stop)):
                    renewals += 1
                    origin.authorization = better
                elif response.status == 401 and (token := self._better_elsewhere(hop, origin, response, strangers, stop)):
                    strangers[hop.url.origin()] = token
                elif response.status == 403 and not hop.authorized and not sent_again:
                    sent_again = True
                    hop, hops = Hop(url=origin.url, authorized=True), 0
                elif response.status == 416 and self._asks_for_a_part(origin):
                    raise self._without_parts(origin)
                else:
                    body = _error_body(response)
                    if hop.url.scheme == "http" and asked_in_plain(response.status, body):
                        raise unreachable(self.asked, SPEAKS_TLS)
                    error = refusal(self.asked, response.status, headers, body, client.clock())
                    self.loop.call_soon_threadsafe(client.wire.refused, error)
                    raise error
            finally:
                stop.forget()
                if response is not None:
                    response.close()
                connection.close()

    def _receive(
        self, origin: Origin, response: http.client.HTTPResponse, stop: Stop, sink: Sink, update: Callable[[memoryview], None]
    ) -> None:
        """The bytes as stored. A label does not matter: size and digest decide.

        Raises as `_skip` and `_copy` do, but RegistryUnavailableError where another size is that of a page, as a login.
        """
        try:
            body = body_of(response, self.descriptor.size, self.descriptor.media_type)
            if isinstance(body, Unwrapped):
                origin.gives_parts = False  # they would be of something else
                skip = self.position
            else:
                skip = self._skip(origin, response, body.length)
            self._copy(body, skip, stop, sink, update)
            if self.position < self.descriptor.size:
                # A body in chunks that is cut is an error of its own.
                is_whole = not isinstance(body, Unwrapped) and response.status == 200 and response.chunked
                raise _EndedError if is_whole else _CutError
        except (DigestMismatchError, _EndedError) as error:
            if response.headers.get_content_type() == "text/html":
                raise unreachable(self.asked, A_PAGE) from error
            raise

    def _headers(self, hop: Hop, origin: Origin, strangers: str | None) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
        if self._asks_for_a_part(origin):
            headers["Range"] = f"bytes={self.position}-"
        shown = origin.authorization if hop.authorized else strangers
        if shown:
            headers["Authorization"] = shown
        return headers

    def _asks_for_a_part(self, origin: Origin) -> bool:
        return self.position > 0 and origin.gives_parts

    def _without_parts(self, origin: Origin) -> _CutError:
        """The next attempt asks for all of it, and reads past what is there."""
        origin.gives_parts = False
        return _CutError()

    def _skip(self, origin: Origin, response: http.client.HTTPResponse, total: int | None) -> int:
        """How many bytes of this answer, of `total`, we already have.

        Raises:
            DigestMismatchError: it announces another size than the descriptor's.
            RegistryUnavailableError: it is nothing at all.
            RegistryRefusedError: it is a part, and none was asked for.
            _CutError: it is another part than was asked for, or several in one.
        """
        skip = self.position
        if response.status == 206:
            matched = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if not self._asks_for_a_part(origin):
                raise RegistryRefusedError(f"{self.what}: all of it was asked for, and a part came")
            if matched is None or int(matched[1]) != self.position:
                raise self._without_parts(origin)
            skip, total = 0, None if matched[2] == "*" else int(matched[2])
        if total is not None and total != self.descriptor.size:
            if total == 0:
                raise unreachable(self.asked, NOTHING)
            encoding = response.headers.get("Content-Encoding")
            as_what = f" as {encoding[:20]}" if encoding else ""
            raise DigestMismatchError(f"{self.what}: {counted(total, 'byte')}{as_what}, the manifest says {self.descriptor.size}")
        return skip

    def _copy(
        self,
        body: http.client.HTTPResponse | Begun | Unwrapped,
        skip: int,
        stop: Stop,
        sink: Sink,
        update: Callable[[memoryview], None],
    ) -> None:
        buffer = memoryview(bytearray(CHUNK_BYTES))
        size, begun = self.descriptor.size, self.position
        # One byte beyond the end is asked for where no length was announced, to see that there is none.
        while self.position < size or body.length is None:
            stop.check()
            count = body.readinto(buffer[: min(skip, CHUNK_BYTES)] if skip else buffer)
            if not count:
                break
            if skip:
                skip -= count
                continue
            if self.position + count > size:
                raise DigestMismatchError(f"{self.what}: more than the {counted(size, 'byte')} that the manifest says")
            piece = buffer[:count]
            self.parts += self.position == begun
            update(piece)
            sink.write(piece)
            self.position += count

    def _better(self, origin: Origin, response: http.client.HTTPResponse, tried: set[Way], stop: Stop) -> str | None:
        """Another token where the one we have has expired, or there was none yet; None when the answer stands."""
        if response.status not in HIDING_STATUSES:
            return None
        challenges = response.headers.get_all("WWW-Authenticate") or []
        return self._token(origin.client.better(response.status, challenges, origin.scopes, origin.authorization, tried), stop)

    def _better_elsewhere(
        self, hop: Hop, origin: Origin, response: http.client.HTTPResponse, strangers: Mapping[URL, str], stop: Stop
    ) -> str | None:
        """What a stranger is given at another registry that this one led to; None when the answer stands."""
        if hop.authorized or hop.url.origin() in strangers:
            return None
        challenges = response.headers.get_all("WWW-Authenticate") or []
        return self._token(origin.client.better_elsewhere(hop.url, challenges), stop)

    def _token(self, asking: Coroutine[Any, Any, str | None], stop: Stop) -> str | None:
        try:
            return self._on_loop(asking, stop)
        except (TimeoutError, concurrent.futures.CancelledError) as error:
            raise AuthenticationError(f"{self.what}: no token in time") from error

    def _on_loop(self, question: Coroutine[Any, Any, T], stop: Stop) -> T:
        """Ask the event loop, and wait for it no longer than until we are stopped."""
        asking = asyncio.run_coroutine_threadsafe(question, self.loop)
        try:
            while not concurrent.futures.wait([asking], timeout=0.2).done:
                stop.check()
        except BaseException:
            asking.cancel()
            raise
        return asking.result()


def _error_body(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(MAX_ERROR_BYTES)
    except (OSError, http.client.HTTPException):
        return b""  # the status says enough
