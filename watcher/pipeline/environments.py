"""Which environment an image belongs to: the first whose patterns match its name."""

from collections.abc import Sequence

import msgspec

from watcher.kit.glob import glob_any
from watcher.model.reference import Host, RepositoryName


class EnvironmentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`images` are globs over `HOST/REPOSITORY`."""

    name: str  # what policies and admission call it
    images: tuple[str, ...]  # globs over `HOST/REPOSITORY`


def environment_of(environments: Sequence[EnvironmentSettings], registry: Host, repository: RepositoryName) -> str | None:
    name = f"{registry}/{repository}"
    return next((environment.name for environment in environments if glob_any(name, environment.images)), None)
