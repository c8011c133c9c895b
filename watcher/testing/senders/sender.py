"""A sender: what it says, how it proves itself, and how long it tries to be heard."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import aiohttp

from watcher.testing.senders.announcement import Announcement, Request
from watcher.testing.senders.proofs import Proof

TIMEOUT = aiohttp.ClientTimeout(total=5.0)
SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What a sender does with an answer. `attempts` is None where it tries for ever.

    After a `final` status it does not try again. `failures` in a row, if not 0, switch it off until a person switches it on again.
    """

    attempts: int | None = 1
    success: Collection[int] = SUCCESS
    final: Collection[int] = ()
    failures: int = 0


@dataclass(slots=True, kw_only=True)
class Sender:
    """`auth` is how a source is to be configured for it, in YAML's flow style, with the secret in `env:HOOK_SECRET`.

    `statuses` are the answers it got, in order. `is_on` becomes False when it switched itself off.
    """

    dialect: str
    write: Callable[[Announcement], Request]
    auth: str
    prove: Proof
    patience: Patience = field(default_factory=Patience)
    pause_seconds: float = 0.01  # senders wait for seconds and more
    statuses: list[int] = field(default_factory=list)
    is_on: bool = True

    async def tell(self, session: aiohttp.ClientSession, url: str, image: Announcement, secret: str) -> bool:
        """Whether `url` took it, after as many attempts as the sender makes."""
        return await self.send(session, url, self.prove(self.write(image), secret))

    async def send(self, session: aiohttp.ClientSession, url: str, request: Request) -> bool:
        """The same of any request."""
        tried = 0
        while self.is_on:
            status = await self._attempt(session, url, request)
            self.statuses.append(status)
            if status in self.patience.success:
                return True
            tried += 1
            self.is_on = not self._has_failed_enough()
            if status in self.patience.final or tried == self.patience.attempts:
                break
            await asyncio.sleep(self.pause_seconds)
        return False

    def _has_failed_enough(self) -> bool:
        last = self.statuses[-self.patience.failures :]
        return 0 < self.patience.failures == len(last) and not any(status in self.patience.success for status in last)

    async def _attempt(self, session: aiohttp.ClientSession, url: str, request: Request) -> int:
        """0 where there was no answer."""
        target = f"{url}{request.path}" + (f"?{request.query}" if request.query else "")
        try:
            async with session.request(
                request.method, target, data=request.body, headers=request.headers, allow_redirects=False, timeout=TIMEOUT
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return 0
