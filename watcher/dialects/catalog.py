"""Every dialect by the name that `sources[].dialect` and `events parse --dialect` know it by."""

from collections.abc import Mapping

from watcher.dialects.cdevents import CdeventsDialect
from watcher.dialects.cloudevents import CloudeventsDialect
from watcher.dialects.distribution import DistributionDialect
from watcher.dialects.diun import DiunDialect
from watcher.dialects.ecr import EcrDialect
from watcher.dialects.gar import GarDialect
from watcher.dialects.generic import GenericDialect, GenericMapping
from watcher.dialects.protocol import Dialect

DIALECTS: Mapping[str, Dialect] = {
    "distribution": DistributionDialect(),
    "cdevents": CdeventsDialect(),
    "cloudevents": CloudeventsDialect(),
    "diun": DiunDialect(),
    "ecr": EcrDialect(),
    "gar": GarDialect(),
    "generic": GenericDialect(),
}


def build_dialect(name: str, mapping: GenericMapping | None) -> Dialect:
    """The dialect of one source; `generic` reads what its mapping points at."""
    return GenericDialect(mapping) if name == "generic" else DIALECTS[name]
