"""Callers that arrive together share one call: what a call costs is paid once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from watcher.model.errors import RetryableError

Item = TypeVar("Item")
Result = TypeVar("Result")

# As many items as one call gets, unless one caller alone brings more: a call's length is what the next callers wait for.
ITEMS_TOGETHER = 256


@dataclass(slots=True, eq=False)
class _Share(Generic[Item, Result]):
    """What one caller brought, and what came of it. `woken` is set when it is settled, or when its caller should call."""

    items: Sequence[Item]
    results: Sequence[Result] | None = None
    error: Exception | None = None
    woken: asyncio.Future[None] | None = None

    @property
    def settled(self) -> bool:
        return self.results is not None or self.error is not None

    def wake(self) -> None:
        if self.woken is not None and not self.woken.done():
            self.woken.set_result(None)


class SharedCalls(Generic[Item, Result]):
    """`call` takes items and gives a result for each, in order. It must be safe to repeat for the same items.

    There is no task and no timer: while no call is under way, a caller calls for itself and for all who wait; when a call ends,
    the first who still waits is woken to make the next. A caller alone waits for nobody. Two calls at once were tried: they are
    smaller, and the threads behind them take the interpreter from each other (0.66 of the requests at 64 connections).
    """

    def __init__(self, call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._call = call
        self._calling = False
        self._waiting: list[_Share[Item, Result]] = []

    async def together(self, items: Sequence[Item]) -> Sequence[Result]:
        """The results of `items`, in order. Raises what `call` raises for them."""
        share: _Share[Item, Result] = _Share(items)
        self._waiting.append(share)
        try:
            while not share.settled:
                if not self._calling and self._waiting:
                    await self._call_for_all()
                else:
                    share.woken = asyncio.get_running_loop().create_future()
                    await share.woken
        except asyncio.CancelledError:
            if share in self._waiting:
                self._waiting.remove(share)
            self._wake_next()  # it may have been this caller's turn
            raise
        if share.error is not None:
            raise share.error
        assert share.results is not None
        return share.results

    async def _call_for_all(self) -> None:
        self._calling = True
        try:
            # Those whose requests were read in the same turn of the loop come along.
            await asyncio.sleep(0)
            shares = self._take()
            try:
                if shares:
                    await self._settle(shares)
            finally:
                # This caller was cancelled while it called for others: they wait again, first in the queue.
                self._waiting[:0] = [share for share in shares if not share.settled]
        finally:
            self._calling = False
            self._wake_next()

    def _wake_next(self) -> None:
        if self._waiting and not self._calling:
            self._waiting[0].wake()

    def _take(self) -> list[_Share[Item, Result]]:
        """The first who wait, with at most ITEMS_TOGETHER items."""
        count = 0
        for number, share in enumerate(self._waiting):
            count += len(share.items)
            if count > ITEMS_TOGETHER and number > 0:
                taken, self._waiting = self._waiting[:number], self._waiting[number:]
                return taken
        taken, self._waiting = self._waiting, []
        return taken

    async def _settle(self, shares: list[_Share[Item, Result]]) -> None:
        try:
            results = await self._call([item for share in shares for item in share.items])
        except RetryableError as error:
            # It says something about the other side, not about an item: so it is true for all of them.
            for share in shares:
                share.error = error
                share.wake()
        except Exception as error:  # noqa: BLE001 - handed to the caller whose items they are, and to no other
            if len(shares) > 1:
                for share in shares:
                    await self._settle([share])
            else:
                shares[0].error = error
                shares[0].wake()
        else:
            start = 0
            for share in shares:
                share.results = results[start : start + len(share.items)]
                start += len(share.items)
                share.wake()
