"""What is pushed to see how long a verdict takes."""

import msgspec

from watcher.kit.units import Duration, seconds
from watcher.model.errors import WatcherError
from watcher.model.reference import Host, RepositoryName, parse_host, parse_repository

# An image that is judged more often is not judged each time.
SHORTEST_SECONDS = 600.0


class CanarySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image of a few hundred bytes, pushed by the tag `canary` now and then, as anybody's is. Needs the permission to push."""

    registry: str  # one of `registries`
    repository: str = "registry-watcher/canary"  # should be nobody else's; a source has to hear of it
    every: Duration = "1h"  # 10m at least, give or take a tenth
    timeout: Duration = "5m"  # without a verdict after that, it is late

    def __post_init__(self) -> None:
        try:
            parse_host(self.registry)
            parse_repository(self.repository)
        except WatcherError as error:
            raise ValueError(str(error)) from error
        if seconds(self.every) < SHORTEST_SECONDS:
            raise ValueError("every must be 10m or more")
        if not 0 < seconds(self.timeout) < seconds(self.every):
            raise ValueError("timeout must be more than 0s, and shorter than every")

    @property
    def host(self) -> Host:
        return parse_host(self.registry)

    @property
    def name(self) -> RepositoryName:
        return parse_repository(self.repository)
