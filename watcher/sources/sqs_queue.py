"""What was received from a queue and is not settled yet: it is kept from others, and in the end deleted or given back.

1. A message is held from its receipt on; `in_flight` bounds how many are.
2. While it is held it stays invisible to others: that is extended at a third of its time, so that one failure does no harm.
3. One that was stored is deleted. One that was refused becomes visible again, the later the more often it came.
4. At the end those that are still held are deleted if they were stored, and visible at once if not.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

import structlog

from watcher.sources.sqs_queue_client import BATCH, Address, Failed, Message, SqsClient
from watcher.sources.sqs_queue_client_errors import QueueError

log = structlog.get_logger(__name__)

# A source stops within a second: the poll's thread notices its closed connection in milliseconds, the rest is one call each.
HANG_UP_SECONDS = 0.3
GIVE_BACK_SECONDS = 0.6
# A refused message stays away 0, 1, 3, 7, … seconds.
LONGEST_AWAY_SECONDS = 900
# What cannot be settled is tried again this often, within some 15 s. Then it comes again by itself, and is a duplicate.
SETTLE_ATTEMPTS = 5
SETTLE_DELAY_SECONDS = 0.5


class _State(Enum):
    WAITS = "waits"
    STORED = "stored"
    REFUSED = "refused"


@dataclass(slots=True, kw_only=True)
class _Held:
    state: _State = _State.WAITS
    hidden_at: float


class Queue:
    """One queue, from `run` on until it is cancelled.

    `settling` is told why messages cannot be deleted or given back, and None when they can be again.
    """

    def __init__(self, address: Address, *, name: str, in_flight: int, settling: Callable[[QueueError | None], None]) -> None:
        self._client = SqsClient(address, name=name)
        self._name = name
        self._extend_seconds = address.visibility_seconds / 3
        self._settling = settling
        self._held: dict[Message, _Held] = {}
        self._free = in_flight
        self._freed = asyncio.Event()
        self._decided: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(self, *, most: int = BATCH, waits: bool = True) -> Sequence[Message]:
        """Up to `most` messages, fewer where no more may be held. Each has then to be `stored` or `refused`.

        Raises:
            QueueError: nothing was received.
        """
        while self._free <= 0:
            self._freed.clear()
            await self._freed.wait()
        most = min(most, self._free)
        self._free -= most
        polled = self._client.receive(most, waits=waits)
        messages: Sequence[Message] = ()
        try:
            # Not cancelled with us, or what it brings would be nobody's. Nothing is awaited between here and `_hold`.
            messages = await asyncio.shield(polled)
        except asyncio.CancelledError:
            self._client.hang_up()
            # What was handed over in this very moment goes back with the rest.
            with contextlib.suppress(TimeoutError, QueueError):
                async with asyncio.timeout(HANG_UP_SECONDS):
                    self._hold(await polled)
            raise
        finally:
            self._free_again(most - len(messages))
        self._hold(messages)
        return messages

    def stored(self, message: Message) -> None:
        """It is on disk: delete it."""
        self._held[message].state = _State.STORED
        self._decided.put_nowait(message)

    def refused(self, message: Message) -> None:
        """It could not be put on disk now: let it come again. Its queue counts, and decides when that was too often."""
        self._held[message].state = _State.REFUSED
        self._decided.put_nowait(message)

    async def settle(self) -> None:
        """Delete and give back what was decided, until cancelled. Several may run."""
        while True:
            batch = [await self._decided.get()]
            while len(batch) < BATCH and not self._decided.empty():
                batch.append(self._decided.get_nowait())
            for state in (_State.STORED, _State.REFUSED):
                if chosen := [each for each in batch if self._held[each].state is state]:
                    await self._settle(state, chosen)
            for message in batch:
                del self._held[message]
            self._free_again(len(batch))

    async def keep(self) -> None:
        """Keep what waits to be stored from everybody else, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._extend_seconds / 2)
            due = loop.time() - self._extend_seconds
            waiting = [
                message for message, held in self._held.items() if held.state is not _State.REFUSED and held.hidden_at <= due
            ]
            for batch in _batches(waiting):
                await self._extend([message for message in batch if message in self._held])

    async def give_back(self) -> None:
        """After everything above was cancelled: settle what is held, at once, and close. Takes a second at the most."""
        stored = [message for message, held in self._held.items() if held.state is _State.STORED]
        others = [message for message, held in self._held.items() if held.state is not _State.STORED]
        calls = [self._client.delete(batch) for batch in _batches(stored)]
        calls += [self._client.hide(dict.fromkeys(batch, 0)) for batch in _batches(others)]
        try:
            if calls:
                done, _ = await asyncio.wait(calls, timeout=GIVE_BACK_SECONDS)
                if len(done) < len(calls) or any(call.exception() for call in done):
                    log.warning("messages.abandoned", source=self._name, detail="they come again after `visibility_timeout`")
        finally:
            self._client.close()

    def _hold(self, messages: Iterable[Message]) -> None:
        now = asyncio.get_running_loop().time()
        self._held |= {message: _Held(hidden_at=now) for message in messages}

    def _free_again(self, count: int) -> None:
        self._free += count
        self._freed.set()

    async def _settle(self, state: _State, messages: Sequence[Message]) -> None:
        left, problem = messages, ""
        for attempt in range(SETTLE_ATTEMPTS):
            if attempt:
                await asyncio.sleep(SETTLE_DELAY_SECONDS * 2 ** (attempt - 1))
            try:
                left, problem = self._retried(await self._call(state, left))
            except QueueError as error:
                self._settling(error)
                problem = error.reason
            else:
                self._settling(None)
                if not left:
                    return
        log.warning("messages.unsettled", source=self._name, state=state.value, count=len(left), reason=problem)

    def _call(self, state: _State, messages: Sequence[Message]) -> asyncio.Future[list[Failed]]:
        if state is _State.STORED:
            return self._client.delete(messages)
        return self._client.hide({each: away_seconds(each.receipts) for each in messages})

    def _retried(self, failed: Sequence[Failed]) -> tuple[Sequence[Message], str]:
        """What is worth another try, and why. The others were ours too long: they come again, or somebody else has them."""
        for each in failed:
            if each.final:
                log.warning("message.lost_hold", source=self._name, message_id=each.message.id, reason=each.code)
        again = [each for each in failed if not each.final]
        return [each.message for each in again], again[0].code if again else ""

    async def _extend(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        started = asyncio.get_running_loop().time()
        try:
            await self._client.hide(dict.fromkeys(messages, round(self._extend_seconds * 3)))
        except QueueError as error:
            # Two more attempts are left. What is lost after them comes twice, and is a duplicate the second time.
            log.warning("messages.unextended", source=self._name, count=len(messages), reason=error.reason)
            return
        for message in messages:
            # One that failed by itself is not asked for again and again.
            if (held := self._held.get(message)) is not None:
                held.hidden_at = started


def away_seconds(receipts: int) -> int:
    """How long a message stays away that was received so often, and refused each time."""
    return min(LONGEST_AWAY_SECONDS, (1 << min(max(receipts, 1) - 1, 20)) - 1)


def _batches(messages: Iterable[Message]) -> Iterator[Sequence[Message]]:
    rest = iter(messages)
    while batch := list(islice(rest, BATCH)):
        yield batch
