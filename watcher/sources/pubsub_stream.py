"""A stream of messages for the loop, out of a client that lives on threads."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from watcher.sources.pubsub_stream_client import Address, PullClient
from watcher.sources.pubsub_stream_client_errors import CredentialsError, StreamError
from watcher.sources.pubsub_stream_standing import Standing

# Away from Google's machines the SDK looks for their metadata service for some ten seconds before it gives up.
START_SECONDS = 60.0
# For the service to take back what was not stored. Without it that comes again too, at the end of its ack deadline.
CLOSE_SECONDS = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One delivery of a message; delivered again it is another with the same id. `handle` is for the stream it came on."""

    id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime
    handle: Any


class Stream:
    """What a `connect` is used for. Its methods that take a stream's number, and the like, are called by the client's threads."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._standing = Standing(address.subscription, timeout_seconds=address.timeout_seconds)
        self._arrived: deque[Any] = deque()
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._is_waking = False
        self._something = asyncio.Event()
        self._client = PullClient(address, self)

    async def messages(self) -> AsyncIterator[Message]:
        """Up to `max_messages` that are neither acknowledged nor given back; the rest waits at the service. Never ends."""
        while True:
            self._something.clear()
            while self._arrived:
                raw = self._arrived.popleft()
                yield Message(
                    id=raw.message_id, data=raw.data, attributes=dict(raw.attributes), published_at=raw.publish_time, handle=raw
                )
            await self._something.wait()

    async def acknowledge(self, message: Message) -> str:
        """Never to be sent again. Returns why it may be, empty when it is not."""
        ack_id = message.handle.ack_id
        answer: asyncio.Future[str] = self._loop.create_future()
        self._answers[ack_id] = answer
        self._client.settle(message.handle, stored=True)
        try:
            # The client gives up by itself; this is for one that does not.
            async with asyncio.timeout(2 * self._address.timeout_seconds):
                return await answer
        except TimeoutError:
            return "NO_ANSWER"
        finally:
            self._answers.pop(ack_id, None)

    def give_back(self, message: Message) -> None:
        """To be sent again, to us or another."""
        self._client.settle(message.handle, stored=False)

    async def stands(self) -> None:
        """Until news that is sent now would arrive. Raises SourceError when it would not."""
        await self._standing.stands()

    async def falls(self) -> None:
        """Until there has been no stream for longer than a moment: raises SourceError then."""
        await self._standing.falls()

    async def start(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await _aside(self._client.start, name="pubsub-start")
        except TimeoutError as error:
            where = self._address.subscription
            raise CredentialsError(f"{where}: the SDK found no credentials in {START_SECONDS:g} s") from error

    async def close(self) -> None:
        self._standing.close()
        await _aside(partial(self._client.close, CLOSE_SECONDS), name="pubsub-close")

    def opened(self, number: int) -> None:
        self._on_loop(self._standing.opened, number)

    def reached(self, number: int) -> None:
        self._on_loop(self._standing.reached, number)

    def broke(self, number: int, error: StreamError) -> None:
        self._on_loop(self._standing.broke, number, error)

    def over(self, error: StreamError) -> None:
        self._on_loop(self._standing.over, error)

    def delivered(self, message: Any) -> None:
        """Wakes the loop once for all that arrive until it is awake."""
        self._arrived.append(message)
        if not self._is_waking:
            self._is_waking = True
            self._on_loop(self._wake)

    def acknowledged(self, ack_ids: Sequence[str], failed: Mapping[str, str]) -> None:
        self._on_loop(self._answer, ack_ids, failed)

    def _answer(self, ack_ids: Sequence[str], failed: Mapping[str, str]) -> None:
        for ack_id in ack_ids:
            answer = self._answers.get(ack_id)
            if answer is not None and not answer.done():
                answer.set_result(failed.get(ack_id, ""))

    def _wake(self) -> None:
        self._is_waking = False  # before anybody looks at what has arrived
        self._standing.heard()
        self._something.set()

    def _on_loop(self, call: Callable[..., None], *what: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody is left to tell
            self._loop.call_soon_threadsafe(call, *what)


@asynccontextmanager
async def connect(address: Address) -> AsyncIterator[Stream]:
    """A stream that is asked for; whether it `stands` is another question. At the end what is not acknowledged is given back.

    Raises:
        StreamError: there are no credentials.
    """
    stream = Stream(address)
    try:
        await stream.start()
        yield stream
    finally:
        await stream.close()


async def _aside(work: Callable[[], None], *, name: str) -> None:
    """On a thread of its own, which ends when it is done whether or not somebody still waits. It keeps no process alive."""
    done: concurrent.futures.Future[None] = concurrent.futures.Future()
    done.set_running_or_notify_cancel()

    def body() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  carried to the caller, who decides
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=body, name=name, daemon=True).start()
    await asyncio.wrap_future(done)
