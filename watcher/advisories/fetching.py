"""Files over HTTP: conditional, resumable, patient, and whole or not at all.

Spec: RFC 9110 sections 13 (conditional requests) and 14 (range requests)
"""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
import msgspec
import tenacity

from watcher.kit.clock import utc_now
from watcher.kit.connector import trusting
from watcher.kit.http_trouble import clause
from watcher.kit.proxies import Proxies
from watcher.kit.retry_after import asked_seconds
from watcher.kit.through_proxies import through
from watcher.kit.version import VERSION
from watcher.model.errors import PermanentError, RetryableError
from watcher.model.first_use import known

USER_AGENT = f"registry-watcher/{VERSION}"
CONNECT_SECONDS = 10.0
# A line on which nothing comes for so long is dead; the next try goes on where it broke off.
STALL_SECONDS = 30.0
ATTEMPTS = 5
CHUNK_BYTES = 256 * 1024
# npm's archive, the largest of OSV's, has 250 MB.
MAX_FILE_BYTES = 4 * 2**30
MAX_RECORD_BYTES = 16 * 2**20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


Told = Callable[[str, int | None, int], None]
"""`told(name, total, done)`: so many bytes of a download are there; `total` is None when nobody said how many there are."""


class UnreachableError(RetryableError):
    """The source does not answer, breaks off, or says that it is in trouble."""

    reason = "advisories-unreachable"


class RefusedError(PermanentError):
    """The source has no such file, or does not give it to us."""

    reason = "advisories-refused"

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class BrokenDownloadError(PermanentError):
    """What came is not what was asked for. What is there already stays."""

    reason = "advisories-broken"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """By what a server tells whether a file has changed. A file's are kept beside it, as `NAME.seen`."""

    url: str = ""
    etag: str = ""
    last_modified: str = ""

    @property
    def conditions(self) -> Mapping[str, str]:
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in found.items() if value}

    @property
    def strong(self) -> bool:
        """Whether the same tag means the same bytes, so that a part of one can go on with a part of another."""
        return self.etag.startswith('"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    path: Path
    seen: Seen


class Fetcher:
    """Downloads into files. Use it inside `async with`."""

    def __init__(
        self,
        *,
        told: Told = lambda _name, _total, _done: None,
        stall_seconds: float = STALL_SECONDS,
        sleep: Callable[[float], object] = asyncio.sleep,
    ) -> None:
        self._told = told
        self._stall_seconds = stall_seconds
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        # Bytes are kept as they come: what is compressed is read so, and ranges count it so.
        self._session = aiohttp.ClientSession(
            connector=trusting(),
            middlewares=(through(Proxies.of_environment()),),
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._stall_seconds),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def file(self, name: str, url: str, target: Path, *, known: Seen, limit_bytes: int = MAX_FILE_BYTES) -> Fetched | None:
        """Bring `url` to `target`, whole; None when it is still what `known` was. A part of an earlier try is gone on with.

        Where `target` is there it was fetched and not used: it is taken when it is still what the source has.

        Raises:
            UnreachableError, RefusedError
            BrokenDownloadError: longer than `limit_bytes`.
        """
        finished = _read_seen(target, url)
        conditions = (finished if finished.conditions else known if known.url == url else Seen()).conditions
        target.parent.mkdir(parents=True, exist_ok=True)
        async for attempt in self._retrying(_part_of(target)):
            with attempt:
                seen = await self._try(name, url, target, conditions, limit_bytes)
        if seen is not None:
            return Fetched(path=target, seen=seen)
        return Fetched(path=target, seen=finished) if finished.conditions else None

    async def record(self, url: str) -> bytes:
        """A small file.

        Raises:
            UnreachableError, RefusedError, BrokenDownloadError
        """
        async for attempt in self._retrying():
            with attempt:
                return await self._record(url)
        raise AssertionError("tenacity returns or raises")  # pragma: no cover

    def _retrying(self, part: Path | None = None) -> tenacity.AsyncRetrying:
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(UnreachableError),
            wait=_wait,
            stop=_Patience(part).ends if part else tenacity.stop_after_attempt(ATTEMPTS),
            sleep=self._sleep,  # type: ignore[arg-type]  # tenacity takes what returns an awaitable
            reraise=True,
        )

    async def _record(self, url: str) -> bytes:
        try:
            async with self._session.get(url) as response:
                _check(response, url, {200})
                body = await response.content.read(MAX_RECORD_BYTES + 1)
                while not response.content.at_eof() and len(body) <= MAX_RECORD_BYTES:
                    body += await response.content.read(CHUNK_BYTES)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(url, error) from error
        if len(body) > MAX_RECORD_BYTES:
            raise BrokenDownloadError(f"{url}: more than {MAX_RECORD_BYTES} bytes of one record")
        return body

    async def _try(self, name: str, url: str, target: Path, conditions: Mapping[str, str], limit_bytes: int) -> Seen | None:
        """One request. None when the file has not changed; what it brings before it breaks off is kept."""
        part = _part_of(target)
        begun = _read_seen(part, url)
        there = _size(part) if begun.strong else 0
        headers = {"Range": f"bytes={there}-", "If-Range": begun.etag} if there else conditions
        try:
            async with self._session.get(url, headers=headers) as response:
                if response.status == 416:
                    part.unlink(missing_ok=True)
                    raise UnreachableError(f"{url}: has another end than it had")
                _check(response, url, {200, 206} if there else {200, 304})
                if response.status == 304:
                    return None
                if response.status == 200:
                    there = 0
                seen = Seen(url=url, etag=response.headers.get("ETag", ""), last_modified=response.headers.get("Last-Modified", ""))
                if there and seen.etag not in {"", begun.etag}:
                    part.unlink()
                    raise UnreachableError(f"{url}: goes on with another file")
                total = _total(response, there, url)
                if total is not None and total > limit_bytes:
                    raise BrokenDownloadError(f"{url}: {total} bytes, at most {limit_bytes} are taken")
                if not there:
                    _write_seen(part, seen)
                count = await self._receive(name, response, part, there, total, limit_bytes)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(url, error) from error
        if total is not None and count != total:
            raise UnreachableError(f"{url}: broke off after {count} of {total} bytes")
        seen = begun if there else seen
        # In this order nothing that ends us leaves an earlier file that is taken for this one.
        _seen_of(target).unlink(missing_ok=True)
        part.replace(target)
        _write_seen(target, seen)
        _seen_of(part).unlink(missing_ok=True)
        return seen

    async def _receive(
        self, name: str, response: aiohttp.ClientResponse, part: Path, there: int, total: int | None, limit_bytes: int
    ) -> int:
        """Write what comes behind `there`; how long the file then is. Data are on disk when this ends."""
        count = there
        with part.open("r+b" if there else "wb") as opened:
            opened.seek(there)
            opened.truncate()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                count += len(chunk)
                if count > limit_bytes:
                    raise BrokenDownloadError(f"{response.url}: more than {limit_bytes} bytes")
                opened.write(chunk)
                self._told(name, total, count)
            opened.flush()
            os.fsync(opened.fileno())
        return count


def _check(response: aiohttp.ClientResponse, url: str, wanted: set[int]) -> None:
    if url.startswith("https:") and any(each.url.scheme != "https" for each in (*response.history, response)):
        raise RefusedError(f"{url}: leads away from https")
    if response.status in wanted:
        return
    if response.status == 429 or response.status >= 500 or response.status in {200, 206, 304}:
        asked = asked_seconds(response.status, response.headers, utc_now())
        raise UnreachableError(f"{url}: answers {response.status}", retry_after_seconds=asked)
    raise RefusedError(f"{url}: answers {response.status}", status=response.status)


def _total(response: aiohttp.ClientResponse, there: int, url: str) -> int | None:
    """How long the whole file is; None when the server does not say."""
    if response.status == 206:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != there:
            raise UnreachableError(f"{url}: answers another part than was asked for")
        return None if found[3] == "*" else int(found[3])
    return response.content_length


def _unreachable(url: str, error: Exception) -> UnreachableError:
    return UnreachableError(f"{url}: {clause(error)}")


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
    return asked if asked is not None else float(_backoff(state))


_backoff = tenacity.wait_exponential_jitter(multiplier=0.5, max=15.0, jitter=0.5)


class _Patience:
    """Ends when ATTEMPTS tries in a row brought nothing more of `part`: a bad line is slow, not in vain."""

    def __init__(self, part: Path) -> None:
        self._part, self._size, self._failures = part, 0, 0

    def ends(self, _state: tenacity.RetryCallState) -> bool:
        size = _size(self._part)
        self._failures = 1 if size > self._size else self._failures + 1
        self._size = max(size, self._size)
        return self._failures >= ATTEMPTS


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _seen_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.seen")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _read_seen(path: Path, url: str) -> Seen:
    """What is known of a file that is there and came from `url`."""
    try:
        seen = msgspec.json.decode(_seen_of(path).read_bytes(), type=known(Seen))
    except (OSError, msgspec.DecodeError, UnicodeError):
        return Seen()
    return seen if seen.url == url and path.is_file() else Seen()


def _write_seen(path: Path, seen: Seen) -> None:
    _seen_of(path).write_bytes(msgspec.json.encode(seen))
