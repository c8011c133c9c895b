"""A canary over a registry in memory and a real store. That the daemon judges it: tests/integration/test_completeness.py."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.doubles.databases import open_database
from tests.doubles.hand_clock import HandClock
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.kit.sqlite import Database
from watcher.model.digest import Digest
from watcher.model.errors import ConfigurationError, RegistryUnavailableError
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import REEVALUATION, Origin, Verdict
from watcher.pipeline.canary import TAG, Canary, Flight
from watcher.pipeline.canary_settings import CanarySettings
from watcher.registry.access import RegistryClients
from watcher.settings import load
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.faults import Fault
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

NAME = RepositoryName("registry-watcher/canary")


@dataclass(kw_only=True)
class Bench:
    """Time passes while the canary sleeps; after `judged_after` seconds of it what it pushed is judged."""

    registry: MemoryRegistry
    verdicts: StoredVerdicts = field(init=False)
    canary: Canary = field(init=False)
    told: list[tuple[Host, Flight, float | None]] = field(default_factory=list)
    judged_after: float | None = None
    origin: Origin | None = None
    troubles: int = 0  # times that the store is not to be read
    now: float = 0.0
    begun: float = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.judged_after is not None and self.now - self.begun >= self.judged_after:
            digest = self.registry.content.existing(NAME).tags[TAG]
            subject = replace(SUBJECT, registry=self.registry.host, repository=NAME, digest=digest)
            verdict = a_verdict(id=f"v-{self.now}", subject=subject, origin=self.origin)
            await self.verdicts.record([Judged(verdict=verdict)], nobody)
            self.judged_after = None

    async def fly(self, judged_after: float | None) -> Flight:
        self.begun, self.judged_after = self.now, judged_after
        return await self.canary.fly()


class Troubled(StoredVerdicts):
    """Cannot be read as often as the bench says, once something was pushed."""

    def __init__(self, bench: Bench, database: Database, clock: HandClock) -> None:
        super().__init__(database, clock)
        self._bench = bench

    async def latest(self, digest: Digest, **narrowed: Any) -> Verdict | None:
        if self._bench.troubles and self._bench.now > self._bench.begun:
            self._bench.troubles -= 1
            raise RegistryUnavailableError("no store")
        return await super().latest(digest, **narrowed)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with (
        serve_registry() as registry,
        RegistryClients.of([]) as registries,
        open_database(tmp_path / "watcher.db") as database,
    ):
        bench = Bench(registry=registry)
        bench.verdicts = Troubled(bench, database, HandClock())
        bench.canary = Canary(
            CanarySettings(registry=registry.host, timeout="20s"),
            access=registries.access(registry.host),
            verdicts=bench.verdicts,
            told=lambda *said: bench.told.append(said),
            monotonic=lambda: bench.now,
            sleep=bench.sleep,
        )
        yield bench


async def test_two_take_turns_under_one_tag(bench: Bench) -> None:
    """Every push moves the tag, so that every registry tells of it, and there are never more than two."""
    held = []
    for seconds in (3.0, 5.0, 4.0):
        assert await bench.fly(seconds) is Flight.JUDGED
        held.append(bench.registry.content.existing(NAME).tags[TAG])
    assert held[0] == held[2] != held[1]
    assert len(bench.registry.content.existing(NAME).manifests) == 2
    assert bench.told == [(bench.registry.host, Flight.JUDGED, seconds) for seconds in (3.0, 5.0, 4.0)]


async def test_one_without_a_verdict_is_late(bench: Bench) -> None:
    """An earlier verdict of the same image is no answer."""
    for _ in range(2):
        await bench.fly(1.0)
    assert await bench.fly(None) is Flight.LATE
    assert bench.told[-1] == (bench.registry.host, Flight.LATE, None)
    assert bench.now - bench.begun == 20.0


async def test_an_image_that_is_judged_again_answers_no_push(bench: Bench) -> None:
    """For our own reasons, as other policies are; and a store that cannot be read for a moment hides no verdict."""
    bench.origin = Origin(source=REEVALUATION, received_at=MOMENT)
    assert await bench.fly(1.0) is Flight.LATE
    bench.origin = None
    bench.troubles = 3
    assert await bench.fly(0.5) is Flight.JUDGED


async def test_one_that_cannot_be_pushed_is_told(bench: Bench) -> None:
    """The registry refuses it, or is not there."""
    bench.registry.faults.add(Fault(method="PUT", path=".*/manifests/.*", status=403))
    assert await bench.fly(1.0) is Flight.NOT_PUSHED
    assert bench.told == [(bench.registry.host, Flight.NOT_PUSHED, None)]


@pytest.mark.parametrize(
    "text",
    [
        "{registry: 'no host'}",
        "{registry: localhost:5000, repository: 'No Name'}",
        "{registry: localhost:5000, every: 1m}",
        "{registry: localhost:5000, timeout: 2h}",
    ],
)
def test_what_cannot_fly_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.yaml.decode(text, type=CanarySettings)


def test_two_canaries_in_one_place_are_refused(tmp_path: Path) -> None:
    """They would take each other's tag."""
    path = tmp_path / "watcher.yaml"
    one = "{registry: localhost:5000}"
    path.write_text(f"registries: [{{host: localhost:5000}}]\ncanaries: [{one}, {one}]\n")
    with pytest.raises(ConfigurationError, match="two canaries"):
        load(path)


def test_a_canary_needs_a_registry_of_the_configuration(tmp_path: Path) -> None:
    """We push nowhere else."""
    path = tmp_path / "watcher.yaml"
    path.write_text("registries: [{host: localhost:5000}]\ncanaries: [{registry: other.example.com}]\n")
    with pytest.raises(ConfigurationError, match="is not among `registries`"):
        load(path)
