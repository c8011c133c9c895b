"""Every quarantine driver, by the kind of registry."""

from collections.abc import Callable, Mapping

from watcher.model.registry_kind import RegistryKind
from watcher.publishing.quarantine.acr_driver import AcrDriver
from watcher.publishing.quarantine.artifactory_driver import ArtifactoryDriver
from watcher.publishing.quarantine.harbor_driver import HarborDriver
from watcher.publishing.quarantine.protocol import QuarantineDriver
from watcher.publishing.quarantine.quay_driver import QuayDriver
from watcher.publishing.quarantine.tags_driver import TagsDriver
from watcher.registry.protocol import RegistryAccess

DRIVERS: Mapping[RegistryKind, Callable[[RegistryAccess], QuarantineDriver]] = {
    "acr": AcrDriver,
    "artifactory": ArtifactoryDriver,
    "harbor": HarborDriver,
    "quay": QuayDriver,
}


def build_driver(access: RegistryAccess) -> QuarantineDriver:
    """For the registry that `access` is to."""
    return DRIVERS.get(access.kind, TagsDriver)(access)
