"""What is true of whoever inspects an image, confined workers or a written answer."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.doubles.image_sources import MemoryImages
from tests.doubles.judges import WrittenInspector
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.inspector import Inspector
from watcher.inspection.protocol import ImageInspector
from watcher.inspection.settings import InspectionSettings
from watcher.model.errors import NotFoundError
from watcher.model.image import Manifest
from watcher.model.verdict import INSPECTED
from watcher.testing.images import build_image, build_layer

IMAGES = [build_image([build_layer({"a": text})]) for text in "xy"]


@dataclass(kw_only=True)
class Inspecting:
    """`lose` makes the source lose the configurations of its images, or the answer say that it has."""

    inspector: ImageInspector
    lose: Callable[[MemoryImages], None]


def _lose_configurations(images: MemoryImages) -> None:
    for image in IMAGES:
        content = images.add(image).content
        assert isinstance(content, Manifest)
        del images.blobs[content.config.digest]


@asynccontextmanager
async def _inspector() -> AsyncIterator[Inspecting]:
    async with Inspector(InspectionSettings(workers=1), cache=MemoryLayerCache(), salt=b"salt") as inspector:
        yield Inspecting(inspector=inspector, lose=_lose_configurations)


@asynccontextmanager
async def _written() -> AsyncIterator[Inspecting]:
    inspector = WrittenInspector()
    yield Inspecting(inspector=inspector, lose=lambda _: setattr(inspector, "error", NotFoundError("no configuration")))


INSPECTORS: Mapping[type, Callable[[], AbstractAsyncContextManager[Inspecting]]] = {
    Inspector: _inspector,
    WrittenInspector: _written,
}


@pytest.fixture(params=INSPECTORS)
async def inspecting(request: pytest.FixtureRequest) -> AsyncIterator[Inspecting]:
    async with INSPECTORS[request.param]() as opened:
        assert type(opened.inspector) is request.param
        yield opened


async def test_an_inventory_is_of_the_manifest_that_was_given(inspecting: Inspecting) -> None:
    """And every section that inspection fills says how far it was looked at."""
    images = MemoryImages()
    for image in IMAGES:
        inventory = await inspecting.inspector.inspect(images, images.add(image))
        assert inventory.digest == image.digest
        assert set(inventory.sections) == set(INSPECTED)


async def test_what_the_source_has_not_is_raised(inspecting: Inspecting) -> None:
    """An image without its configuration was not inspected, which is no section's matter."""
    images = MemoryImages()
    manifest = images.add(IMAGES[0])
    inspecting.lose(images)
    with pytest.raises(NotFoundError):
        await inspecting.inspector.inspect(images, manifest)
