"""One pass of a sweep over a registry in memory, with what is known of it."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.hand_clock import HandClock
from tests.doubles.holdings import MemoryHoldings, known
from tests.doubles.intakes import RecordingIntake, open_intake
from tests.doubles.registries import MemoryRegistries
from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.registry.access import RegistryClients
from watcher.registry.protocol import Registries
from watcher.sources.sweep_pass import SweepPass, SweepReport
from watcher.sources.sweep_settings import Scope
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.registry import MemoryRegistry, serve_registry

APP, WEB = RepositoryName("team/app"), RepositoryName("team/web")


def image(text: str) -> BuiltImage:
    return build_image([build_layer({"a": text})])


@dataclass
class Bench:
    """`verdicts` are those there are: tags by digest, by repository. `written` is ours."""

    registry: MemoryRegistry
    registries: RegistryClients
    verdicts: dict[RepositoryName, Mapping[Digest, Collection[Tag]]] = field(default_factory=dict)
    intake: RecordingIntake = field(default_factory=open_intake)
    holdings: MemoryHoldings = field(default_factory=MemoryHoldings)
    written: dict[Digest, Tag | None] = field(default_factory=dict)
    clock: HandClock = field(default_factory=HandClock)

    async def judged(self, host: Host, repository: RepositoryName) -> Mapping[Digest, Collection[Tag]]:
        assert host == self.registry.host
        return self.verdicts.get(repository, {})

    async def ours(self, digests: Collection[Digest]) -> Mapping[Digest, Tag | None]:
        return {digest: self.written[digest] for digest in digests if digest in self.written}

    async def sweep(self, registries: Registries | None = None, **scope: Any) -> SweepReport:
        one = SweepPass(
            scope=Scope(registry=self.registry.host, **scope),
            source="catch-up",
            registries=registries or self.registries,
            known=known(self.judged, self.ours, self.holdings),
            intake=self.intake,
            clock=self.clock,
        )
        return await one.run()

    def name(self, repository: RepositoryName, tag: str = "v1") -> str:
        return f"{self.registry.host}/{repository}:{tag}"

    def in_memory(self, *repositories: RepositoryName, **changes: Any) -> MemoryRegistries:
        """One image under `v1` in each, as in a registry that says what a test wants."""
        registries = MemoryRegistries(hosts=(self.registry.host,), lists_digests=False, **changes)
        for repository in repositories:
            registries.held[self.registry.host, repository].add(image(repository), Tag("v1"))
        return registries

    @property
    def found(self) -> list[tuple[str, str | None, str | None]]:
        assert {source for source, _ in self.intake.swept} <= {"catch-up"}
        return [(push.repository, push.tag, push.digest) for _, push in self.intake.swept]


@asynccontextmanager
async def open_bench() -> AsyncIterator[Bench]:
    async with serve_registry() as registry, RegistryClients.of([]) as registries:
        yield Bench(registry=registry, registries=registries)
