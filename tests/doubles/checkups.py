"""A checkup of a registry in memory, for tests that ask what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from watcher.kit.checkup import Found
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.probe import Extent, probe
from watcher.registry.probe_choice import Wanted
from watcher.registry.settings import RegistrySettings
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry

APP = RepositoryName("team/app")
V1 = Tag("v1")


@dataclass
class Asked:
    """A checkup's steps by their names."""

    steps: Mapping[str, Found]

    def result(self, name: str) -> str:
        return self.steps[name].result.value


async def look(
    registry: MemoryRegistry | str,
    wanted: Wanted | None = None,
    *,
    write: bool = False,
    must_write: bool = True,
    **settings: Any,
) -> Asked:
    host = registry if isinstance(registry, str) else registry.host
    scheme = "https" if isinstance(registry, str) else registry.url.partition(":")[0]
    given = msgspec.convert({"host": host, "scheme": scheme, **settings}, RegistrySettings)
    checkup = await probe(given, wanted or Wanted(), Extent(must_write=must_write, write=write))
    return Asked(steps={step.name: step.found for step in checkup.steps})


def image(registry: MemoryRegistry, repository: RepositoryName = APP, tag: str = "v1") -> Digest:
    return put_image(registry, repository, build_image([build_layer({"a": "text" * 100})]), tag)
