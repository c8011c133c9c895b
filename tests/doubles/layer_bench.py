"""Everything around the inspection of one layer, with real workers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.doubles.image_sources import LIMITS, MemoryImages
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.image.assembly import KnownLayer
from watcher.inspection.layer_queue import LayerQueue
from watcher.inspection.layers import LayerInspection
from watcher.inspection.workers.messages import Limits
from watcher.inspection.workers.zygote import Zygote
from watcher.model.image import Descriptor


@dataclass
class LayerBench:
    """Everything around one `LayerInspection`."""

    zygote: Zygote
    images: MemoryImages = field(default_factory=MemoryImages)
    cache: MemoryLayerCache = field(default_factory=MemoryLayerCache)
    counted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layers = LayerInspection(zygote=self.zygote, cache=self.cache, queue=LayerQueue(2), counted=self.counted.append)

    async def read(
        self, layer: Descriptor, limits: Limits = LIMITS, *, seconds: float = 30, images: MemoryImages | None = None
    ) -> KnownLayer:
        return await self.layers.facts(images or self.images, layer, limits, lambda _: seconds)

    async def problem(self, layer: Descriptor, limits: Limits = LIMITS, *, seconds: float = 30) -> tuple[str, str]:
        """The one problem of a layer that could not be read; nothing is kept of it."""
        facts = (await self.read(layer, limits, seconds=seconds)).facts
        (problem,) = facts.problems
        assert problem.fatal
        assert len(facts.files) == 0
        assert not self.cache.kept
        return problem.reason, problem.detail


def slow_images() -> MemoryImages:
    """Images that pour nothing until their `go` is set."""
    images = MemoryImages()
    images.go.clear()
    return images


def workers(zygote: Zygote) -> list[int]:
    process = zygote._process
    assert process is not None
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process does; there is nothing to await."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
