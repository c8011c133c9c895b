"""What registries were last seen to hold, in memory."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from watcher.model.digest import Digest
from watcher.model.holding import Holding, LastLook, LastPass, Look
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.sources.context import Judged, Known

Place = tuple[Host, RepositoryName]


@dataclass(kw_only=True)
class MemoryHoldings:
    """`Holdings`. `all_looks` are those that were ever made."""

    all_looks: list[Look] = field(default_factory=list)
    _held: dict[Place, frozenset[Holding]] = field(default_factory=dict)
    _last: dict[Place, LastLook] = field(default_factory=dict)
    _passes: dict[str, tuple[str, datetime | None, datetime | None]] = field(default_factory=dict)
    _registries: dict[str, Host] = field(default_factory=dict)
    _ended: dict[str, LastPass] = field(default_factory=dict)

    async def looks(self, registry: Host) -> Mapping[RepositoryName, LastLook]:
        return {repository: last for (host, repository), last in self._last.items() if host == registry}

    async def held(self, registry: Host, repository: RepositoryName) -> frozenset[Holding]:
        return self._held.get((registry, repository), frozenset())

    async def looked(self, look: Look) -> None:
        self.all_looks.append(look)
        place = look.registry, look.repository
        self._held[place] = (await self.held(*place) - {*look.went}) | {*look.came}
        self._last[place] = LastLook(by=look.by, at=look.at, problem=look.problem)
        if not self._held[place] and not look.problem:
            del self._held[place], self._last[place]

    async def forget(self, registry: Host, repositories: Collection[RepositoryName]) -> None:
        for repository in repositories:
            self._held.pop((registry, repository), None)
            self._last.pop((registry, repository), None)

    async def keep(self, registries: Collection[Host]) -> None:
        for registry, repository in tuple(self._last):
            if registry not in registries:
                await self.forget(registry, [repository])
        self._ended = {sweep: last for sweep, last in self._ended.items() if last.registry in registries}

    async def begun(self, sweep: str, scope: str) -> datetime | None:
        known, began, _ = self._passes.get(sweep, ("", None, None))
        return began if known == scope else None

    async def ended(self, sweep: str, scope: str) -> datetime | None:
        known, _, ended = self._passes.get(sweep, ("", None, None))
        return ended if known == scope else None

    async def begin(self, sweep: str, registry: Host, scope: str, at: datetime) -> None:
        self._registries[sweep] = registry
        self._passes[sweep] = scope, at, await self.ended(sweep, scope)

    async def end(self, sweep: str, at: datetime, problems: Sequence[str] = ()) -> None:
        self._passes[sweep] = self._passes[sweep][0], None, at
        self._ended[sweep] = LastPass(registry=self._registries[sweep], at=at, problems="\n".join(problems))

    async def passes(self) -> Sequence[LastPass]:
        return sorted(self._ended.values(), key=lambda each: (each.registry, each.at))


async def nothing_judged(_host: Host, _repository: RepositoryName) -> Mapping[Digest, Collection[Tag]]:
    """`Judged`, where nothing is."""
    return {}


async def nothing_ours(_digests: Collection[Digest]) -> Mapping[Digest, Tag | None]:
    """`Ours`, where nothing is."""
    return {}


def known(
    judged: Judged = nothing_judged,
    ours: Callable[[Collection[Digest]], Awaitable[Mapping[Digest, Tag | None]]] = nothing_ours,
    holdings: MemoryHoldings | None = None,
) -> Known:
    """What is known of registries."""
    return Known(judged=judged, ours=ours, holdings=holdings or MemoryHoldings())
