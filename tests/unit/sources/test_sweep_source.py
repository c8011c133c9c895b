"""The sweep as a source: when it looks, what it says of itself, and that no trouble ends it."""

import asyncio

import msgspec
import pytest

from tests.doubles.hand_clock import HandClock
from tests.doubles.holdings import known
from tests.doubles.intakes import RecordingIntake, open_intake
from tests.doubles.registries import MemoryRegistries
from watcher.model.digest import Digest
from watcher.model.errors import RegistryUnavailableError
from watcher.model.image import OCI_MANIFEST
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.sources.sweep import SweepSource
from watcher.sources.sweep_settings import SweepSourceSettings

HOST, APP = Host("registry.example.com"), RepositoryName("team/app")
DIGEST, UNTAGGED = Digest(f"sha256:{'1' * 64}"), Digest(f"sha256:{'2' * 64}")


class Bench:
    """Time passes when the test says so: `pause` gives the seconds for which the source wants to sleep, and wakes it."""

    def __init__(self, text: str = "{type: sweep, registry: registry.example.com, every: 1h}") -> None:
        self.registries = MemoryRegistries(hosts=(HOST,))
        held = self.registries.held[HOST, APP]
        held.tags[Tag("v1")] = DIGEST
        held.media_types.update(dict.fromkeys((DIGEST, UNTAGGED), OCI_MANIFEST))
        self.intake: RecordingIntake = open_intake()
        self.passes: list[tuple[str, int]] = []
        self._pauses: asyncio.Queue[float] = asyncio.Queue()
        self._wake = asyncio.Event()
        settings = msgspec.yaml.decode(text, type=SweepSourceSettings)
        self.source = SweepSource(
            settings,
            registries=self.registries,
            known=known(),
            swept=lambda *told: self.passes.append(told),
            clock=HandClock(),
            chance=lambda: 0.5,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self._wake.clear()
        self._pauses.put_nowait(seconds)
        await self._wake.wait()

    async def pause(self) -> float:
        seconds = await self._pauses.get()
        self._wake.set()
        return seconds


async def test_the_first_pass_comes_soon_and_the_next_after_its_time() -> None:
    """What was pushed while nobody listened is what it is for; sweeps of many watchers drift apart by chance."""
    bench = Bench()
    task = asyncio.create_task(bench.source.run(bench.intake), name="sweep")
    assert await bench.pause() == 15.0
    assert await bench.pause() == 3600.0
    assert [(source, push.tag, push.digest and push.digest[7]) for source, push in bench.intake.swept] == [
        ("sweep", "v1", "1"),
        ("sweep", None, "2"),
    ]
    assert bench.passes == [("sweep", 2)]
    assert (bench.source.health.connected, bench.source.health.problem) == (True, "")
    assert bench.source.health.last_event_at == HandClock()()
    task.cancel()
    await asyncio.wait([task])
    assert (bench.source.health.connected, bench.source.health.problem) == (False, "stopped")


@pytest.mark.parametrize("every", ["0s", "1ms", "0.9s"])
def test_a_sweep_without_a_pause_is_refused(every: str) -> None:
    """The registry would be asked a hundred times a second."""
    with pytest.raises(msgspec.ValidationError, match=f"every: {every} would ask the registry without a pause; 1s at least"):
        Bench(f"{{type: sweep, registry: registry.example.com, every: {every}}}")


async def test_a_registry_that_is_down_is_asked_again() -> None:
    """The source says so meanwhile, and never ends by itself."""
    bench = Bench("{type: sweep, name: catch-up, registry: registry.example.com, every: 10s, untagged: false}")
    bench.registries.trouble = RegistryUnavailableError("the registry is down")
    task = asyncio.create_task(bench.source.run(bench.intake), name="sweep")
    assert await bench.pause() == 5.0
    assert await bench.pause() == 10.0
    assert (bench.source.health.connected, bench.source.health.problem) == (False, "the registry is down")
    assert bench.passes == []
    bench.registries.trouble = None
    assert await bench.pause() == 10.0
    assert bench.passes == [("catch-up", 1)]
    assert bench.source.health.connected
    task.cancel()
    await asyncio.wait([task])


async def test_a_full_disk_is_waited_out() -> None:
    """What could not be kept is found again by the next pass."""
    bench = Bench()
    bench.intake.broken = True
    task = asyncio.create_task(bench.source.run(bench.intake), name="sweep")
    for _ in range(2):
        await bench.pause()
    assert (bench.source.health.connected, bench.source.health.problem) == (False, "disk full")
    bench.intake.broken = False
    await bench.pause()
    assert [push.tag for _, push in bench.intake.swept] == ["v1", None]
    task.cancel()
    await asyncio.wait([task])
