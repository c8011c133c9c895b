"""What is true of every way to keep an image from being pulled."""

from collections.abc import AsyncIterator
from typing import get_args

import pytest

from watcher.model.reference import RepositoryName, Tag
from watcher.model.registry_kind import RegistryKind
from watcher.publishing.quarantine.capabilities import CAPABILITIES
from watcher.publishing.quarantine.catalog import DRIVERS, build_driver
from watcher.publishing.quarantine.protocol import Condemned, QuarantineDriver
from watcher.publishing.quarantine.tags_driver import TagsDriver
from watcher.registry.access import RegistryClients
from watcher.registry.settings import RegistrySettings
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, Switches, serve_registry

pytestmark = pytest.mark.enable_socket

APP = RepositoryName("team/app")
IMAGE = build_image([build_layer({"app": b"hello"})])
CONDEMNED = Condemned(repository=APP, digest=IMAGE.digest, reason="a key of AWS is in it")


@pytest.fixture
async def registry() -> AsyncIterator[MemoryRegistry]:
    async with serve_registry() as running:
        yield running


@pytest.fixture
async def driver(registry: MemoryRegistry) -> AsyncIterator[QuarantineDriver]:
    async with RegistryClients.of([RegistrySettings(host=registry.host)]) as registries:
        yield build_driver(registries.access(registry.host))


async def test_what_is_blocked_can_be_released(driver: QuarantineDriver) -> None:
    """Any number of times; who can do nothing claims nothing."""
    for _ in range(2):
        await driver.block(CONDEMNED)
    assert await driver.is_blocked(CONDEMNED) is not isinstance(driver, TagsDriver)
    for _ in range(2):
        await driver.unblock(CONDEMNED)
    assert not await driver.is_blocked(CONDEMNED)


async def test_a_tag_goes_and_its_manifest_stays(registry: MemoryRegistry, driver: QuarantineDriver) -> None:
    """The other tags too. One that is gone already is gone."""
    for tag in ("v1", "latest"):
        put_image(registry, APP, IMAGE, tag)
    assert await driver.remove_tag(APP, Tag("latest"))
    assert await driver.remove_tag(APP, Tag("latest"))
    held = registry.content.existing(APP)
    assert held.tags == {"v1": IMAGE.digest}
    assert IMAGE.digest in held.manifests


async def test_a_registry_that_deletes_no_tag_keeps_it() -> None:
    """Distribution before version 3 deletes by digest alone."""
    async with (
        serve_registry(switches=Switches(tag_delete=False)) as registry,
        RegistryClients.of([RegistrySettings(host=registry.host)]) as registries,
    ):
        put_image(registry, APP, IMAGE, "latest")
        assert not await build_driver(registries.access(registry.host)).remove_tag(APP, Tag("latest"))
        assert registry.content.existing(APP).tags == {"latest": IMAGE.digest}


def test_the_table_says_what_can_be_done() -> None:
    """Of every kind; that something native can be, where there is a driver for it."""
    assert {*CAPABILITIES} == {*get_args(RegistryKind)}
    assert all(CAPABILITIES[kind].native for kind in DRIVERS)
