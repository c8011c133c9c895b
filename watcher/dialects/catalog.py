"""Every dialect by the name that `sources[].dialect` and `events parse --dialect` know it by."""

from collections.abc import Mapping

from watcher.dialects.distribution import DistributionDialect
from watcher.dialects.protocol import Dialect

DIALECTS: Mapping[str, Dialect] = {
    "distribution": DistributionDialect(),
}
