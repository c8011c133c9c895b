"""Registry notifications as docker-registry 2.8.2 sends them: one event a request, in order, retried until accepted.

Format: `application/vnd.docker.distribution.events.v1+json`; the field order and names are those of recorded deliveries.
"""

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

EVENTS_TYPE = "application/vnd.docker.distribution.events.v1+json"
# The registry's own defaults would keep a test waiting: three attempts at once, then one per backoff, for ever.
ATTEMPTS_BEFORE_BACKOFF = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events go. `headers` are secrets: they never appear in a `repr`."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    backoff_seconds: float = 0.2
    timeout_seconds: float = 5.0


class Notifications:
    """A queue in memory, delivered by one task; a refused event holds up every later one."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.queued: Counter[str] = Counter()  # by "action kind", such as "push manifest", "pull blob"
        self.delivered = 0
        self.attempts = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = asyncio.Condition()
        self._instance = str(uuid.uuid4())

    @property
    def pending(self) -> int:
        return len(self._waiting)

    async def add(self, request: web.Request, action: str, kind: str, target: Mapping[str, Any], *, actor: str | None) -> None:
        """Queue the event of one request. `target` is as the specification of the format has it."""
        event = {
            "id": str(uuid.uuid4()),
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "action": action,
            "target": dict(target),
            "request": {
                "id": str(uuid.uuid4()),
                "addr": request.remote or "",
                "host": request.host,
                "method": request.method,
                "useragent": request.headers.get("User-Agent", ""),
            },
            "actor": {"name": actor} if actor else {},
            "source": {"addr": request.host, "instanceID": self._instance},
        }
        self.queued[f"{action} {kind}"] += 1
        async with self._changed:
            self._waiting.append(event)
            self._changed.notify_all()

    async def drained(self) -> None:
        """Returns once every event queued so far has been accepted."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._waiting)

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = aiohttp.ClientTimeout(total=self.endpoint.timeout_seconds)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            failures = 0
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: bool(self._waiting))
                    event = self._waiting[0]
                if await self._deliver(session, event):
                    failures = 0
                    async with self._changed:
                        self._waiting.popleft()
                        self._changed.notify_all()
                    continue
                failures += 1
                if failures >= ATTEMPTS_BEFORE_BACKOFF:
                    await asyncio.sleep(self.endpoint.backoff_seconds)

    async def _deliver(self, session: aiohttp.ClientSession, event: Mapping[str, Any]) -> bool:
        self.attempts += 1
        body = msgspec.json.encode({"events": [event]})
        headers = {**self.endpoint.headers, "Content-Type": EVENTS_TYPE, "User-Agent": "Go-http-client/1.1"}
        try:
            async with session.post(self.endpoint.url, data=body, headers=headers, allow_redirects=False) as response:
                accepted = 200 <= response.status < 400
        except (aiohttp.ClientError, TimeoutError):
            return False
        self.delivered += accepted
        return accepted
