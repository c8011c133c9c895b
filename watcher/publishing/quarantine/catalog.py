"""Every quarantine driver, by the kind of registry."""

from collections.abc import Callable, Mapping

from watcher.model.registry_kind import RegistryKind
from watcher.publishing.quarantine.protocol import QuarantineDriver
from watcher.publishing.quarantine.tags_driver import TagsDriver
from watcher.registry.protocol import RegistryAccess

DRIVERS: Mapping[RegistryKind, Callable[[RegistryAccess], QuarantineDriver]] = {}


def build_driver(access: RegistryAccess) -> QuarantineDriver:
    """For the registry that `access` is to."""
    return DRIVERS.get(access.kind, TagsDriver)(access)
