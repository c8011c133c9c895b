"""An API of JSON over HTTP, as code hosts and trackers have them: one request, and what its answer means for a publication."""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from watcher.kit.clock import Clock
from watcher.kit.http_trouble import clause
from watcher.kit.retry_after import asked_seconds
from watcher.kit.version import VERSION
from watcher.publishing.receiver import ReceiverRefusedError, ReceiverUnavailableError

# They answer within one; GitHub ends a request after ten itself.
TIMEOUT_SECONDS = 20.0
# A page of a hundred issues, each with a body of 64 KiB at most.
MOST_BYTES = 16 * 1024 * 1024
# Somebody else edits the same thing (409), or the server wants to be asked anew.
LATER = (408, 409, 423, 425, 429)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is what the JSON was, None where there was none. `message` is what an error says, bounded; '' where it is none."""

    status: int
    body: Any
    message: str = ""


class RestApi:
    """`base` ends without a slash. `headers` go with every request, to this base and to nobody else: redirects are not followed."""

    def __init__(self, name: str, base: URL, headers: Mapping[str, str], session: aiohttp.ClientSession, clock: Clock) -> None:
        self._name = name
        self._base = str(base).rstrip("/")
        self._headers = {"User-Agent": f"registry-watcher/{VERSION}", "Accept": "application/json", **headers}
        self._session = session
        self._clock = clock

    async def call(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None, bear: Collection[int] = ()
    ) -> Answer:
        """One request; `path` begins with a slash and is encoded already. An answer below 300, or whose status is in `bear`.

        Raises:
            ReceiverUnavailableError: no answer, none of an API, one of `LATER` or 5xx, or 403 for a limit, with the time that was
                asked for.
            ReceiverRefusedError: any other; a redirect too, which a renamed repository answers.
        """
        url = URL(self._base + path, encoded=True)
        url = url.update_query(query) if query else url
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._session.request(method, url, json=body, headers=self._headers, allow_redirects=False) as response,
            ):
                status, headers = response.status, response.headers
                content = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ReceiverUnavailableError(f"{self._name}: {clause(error, timeout_seconds=TIMEOUT_SECONDS)}") from error
        limited = status == 403 and _is_limit(headers, content)
        # Where a limit is said with 403, the headers mean what they do with 429.
        wait = asked_seconds(429 if limited else status, headers, self._clock())
        answer = Answer(status=status, body=_parsed(content), message=_message(content) if status >= 300 else "")
        if limited or ((status in LATER or status >= 500) and status not in bear):
            raise ReceiverUnavailableError(self._said(method, answer), retry_after_seconds=wait)
        if status >= 300 and status not in bear:
            raise ReceiverRefusedError(self._said(method, answer))
        if status < 300 and content.strip() and answer.body is None:
            # As a proxy does that wants somebody to log in.
            raise ReceiverUnavailableError(f"{self._name}: {method} answered {status} with something that is no JSON")
        return answer

    def _said(self, method: str, answer: Answer) -> str:
        return f"{self._name}: {method} answered {answer.status}" + (f": {answer.message}" if answer.message else "")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > MOST_BYTES:
            raise aiohttp.ClientPayloadError(f"more than {MOST_BYTES} bytes")
    return bytes(content)


def _is_limit(headers: CIMultiDictProxy[str], content: bytes) -> bool:
    """GitHub answers 403 for its limits as well: docs.github.com, "Rate limits for the REST API", exceeding them."""
    return "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0" or b"secondary rate limit" in content


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def _message(content: bytes) -> str:
    """What GitHub and GitLab say is in `message` or `error`, what Jira says in `errorMessages` or `errors`."""
    parsed = _parsed(content)
    if not isinstance(parsed, dict):
        return ""
    said = next((parsed[key] for key in ("message", "error", "errorMessages", "errors") if parsed.get(key)), "")
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return "".join(character if character.isprintable() else " " for character in text[:200])
