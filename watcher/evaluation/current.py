"""The revision of all policies that is in force, replaced at once when another has proved good."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from watcher.evaluation.protocol import Case, Evaluator, Judgement
from watcher.evaluation.settings import PolicySettings


class ClosableEvaluator(Evaluator, Protocol):
    async def aclose(self) -> None:
        """End its processes once their calls have ended."""
        ...


class CurrentEvaluator:
    """An Evaluator that stands for the present one. A bad revision never replaces a good one."""

    def __init__(self, first: ClosableEvaluator, settings: PolicySettings | None = None) -> None:
        self._present = first
        self._settings = settings or PolicySettings()

    @property
    def revision(self) -> str:
        return self._present.revision

    @property
    def settings(self) -> PolicySettings:
        """Those that the present revision was read by."""
        return self._settings

    async def evaluate(self, case: Case) -> Judgement:
        return await self._present.evaluate(case)

    async def replace(self, begin: Callable[[], Awaitable[ClosableEvaluator]], settings: PolicySettings | None = None) -> bool:
        """Start another revision and put it in force; whether it differs. Raises what `begin` raises, and then changes nothing.

        `settings` are those it was read by, where they are others.
        """
        following = await begin()
        self._settings = settings or self._settings
        if following.revision == self._present.revision:
            await following.aclose()
            return False
        former, self._present = self._present, following
        await former.aclose()
        return True

    async def aclose(self) -> None:
        await self._present.aclose()
