"""The revision of all policies that is in force, replaced at once when another has proved good."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from watcher.evaluation.protocol import Case, Evaluator, Judgement


class ClosableEvaluator(Evaluator, Protocol):
    async def aclose(self) -> None:
        """End its processes once their calls have ended."""
        ...


class CurrentEvaluator:
    """An Evaluator that stands for the present one. A bad revision never replaces a good one."""

    def __init__(self, first: ClosableEvaluator) -> None:
        self._present = first

    @property
    def revision(self) -> str:
        return self._present.revision

    async def evaluate(self, case: Case) -> Judgement:
        return await self._present.evaluate(case)

    async def replace(self, begin: Callable[[], Awaitable[ClosableEvaluator]]) -> bool:
        """Start another revision and put it in force; whether it differs. Raises what `begin` raises, and then changes nothing."""
        following = await begin()
        if following.revision == self._present.revision:
            await following.aclose()
            return False
        former, self._present = self._present, following
        await former.aclose()
        return True

    async def aclose(self) -> None:
        await self._present.aclose()
