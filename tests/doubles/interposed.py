"""Stands before a registry and what is recorded of quarantines: hears of every call, and may end whoever makes it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from watcher.publishing.context import PublisherContext
from watcher.registry.protocol import RegistryAccess

Hearing = Callable[[str, tuple[Any, ...]], Awaitable[None]]


class KilledError(BaseException):
    """The process is no more: nothing may catch this."""


# Change nothing: who ends after one of them might have ended before it.
READS = frozenset({"head", "manifest", "is_blocked", "find", "listed"})


@dataclass(slots=True)
class Death:
    """Comes at the `at`th of the points that it hears of and that are no READS, 0 for never; `points` is how many there were."""

    at: int = 0
    points: int = 0
    names: list[str] = field(default_factory=list)

    async def __call__(self, name: str, _arguments: tuple[Any, ...]) -> None:
        if name in READS:
            return
        self.points += 1
        self.names.append(name)
        if self.points == self.at:
            raise KilledError(name)


async def nothing(_name: str, _arguments: tuple[Any, ...]) -> None:
    """Is done."""


class Interposed:
    """`target`, with `before` and `after` told of every coroutine that is awaited of it."""

    def __init__(self, target: object, *, before: Hearing = nothing, after: Hearing = nothing) -> None:
        self._target, self._before, self._after = target, before, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._before(name, arguments)
            result = await found(*arguments, **named)
            await self._after(name, arguments)
            return result

        return call


def interposed(context: PublisherContext, *, before: Hearing = nothing, after: Hearing = nothing) -> PublisherContext:
    """The context, with everybody between who writes to a registry, asks it, or records quarantines."""

    def between(target: object) -> Any:
        return Interposed(target, before=before, after=after)

    class Registries:
        def access(self, host: Any) -> RegistryAccess:
            access = context.registries.access(host)
            return replace(access, uploads=between(access.uploads), manifests=lambda name: between(access.manifests(name)))

    return replace(
        context,
        registries=Registries(),
        quarantines=between(context.quarantines),
        driver=lambda access: between(context.driver(access)),
    )
