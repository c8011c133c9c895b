"""What a sweep is told: what to look at, and how often."""

from collections.abc import Sequence
from dataclasses import dataclass

from watcher.kit.glob import glob_any
from watcher.kit.units import Duration, seconds
from watcher.model.reference import Host, RepositoryName
from watcher.sources.binding import SourceSettings

# The glob of everything.
ALL = "**"
# Between passes. What is quicker learns nothing sooner and is all that a small registry does.
SHORTEST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to look at: names or globs of repositories without those of `exclude`, globs of tags, and digests without a tag."""

    registry: Host
    repositories: tuple[str, ...] = (ALL,)
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = (ALL,)
    untagged: bool = True

    @property
    def names(self) -> Sequence[str]:
        """The repositories that are named outright, which nothing excludes."""
        return [each for each in self.repositories if not {*each} & {*"*?"}]

    def wants(self, repository: RepositoryName) -> bool:
        """Whether it is looked at."""
        return repository in self.names or (glob_any(repository, self.repositories) and not glob_any(repository, self.exclude))


class SweepSourceSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="sweep"):
    """One registry that is looked through at intervals."""

    # Names or globs (`*` within a component, `**` across them). Globs need a registry that lists its repositories; Docker Hub
    # and GHCR do for nobody: name them.
    repositories: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()  # globs of repositories that are left out
    tags: tuple[str, ...] = ("**",)  # globs of tags that are looked at
    untagged: bool = True  # whether digests without a tag are looked at too, where the registry can list them
    every: Duration = "15m"  # between the end of one pass and the start of the next, give or take a tenth; 1s at least

    def __post_init__(self) -> None:
        if seconds(self.every) < SHORTEST_SECONDS:
            raise ValueError(f"every: {self.every} would ask the registry without a pause; 1s at least")

    @property
    def scope(self) -> Scope:
        return Scope(
            registry=Host(self.registry),
            repositories=self.repositories,
            exclude=self.exclude,
            tags=self.tags,
            untagged=self.untagged,
        )
