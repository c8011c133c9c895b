"""Every dialect by the name that `sources[].dialect` and `events parse --dialect` know it by."""

from collections.abc import Mapping

from watcher.dialects.acr import AcrDialect
from watcher.dialects.alibaba import AlibabaDialect
from watcher.dialects.artifactory import ArtifactoryDialect
from watcher.dialects.cdevents import CdeventsDialect
from watcher.dialects.cloudevents import CloudeventsDialect
from watcher.dialects.distribution import DistributionDialect
from watcher.dialects.diun import DiunDialect
from watcher.dialects.dockerhub import DockerhubDialect
from watcher.dialects.ecr import EcrDialect
from watcher.dialects.eventgrid import EventgridDialect
from watcher.dialects.gar import GarDialect
from watcher.dialects.generic import GenericDialect, GenericMapping
from watcher.dialects.ghcr import GhcrDialect
from watcher.dialects.gitea import GiteaDialect
from watcher.dialects.harbor import HarborDialect
from watcher.dialects.nexus import NexusDialect
from watcher.dialects.protocol import Dialect
from watcher.dialects.quay import QuayDialect
from watcher.dialects.zot import ZotDialect

DIALECTS: Mapping[str, Dialect] = {
    "acr": AcrDialect(),
    "alibaba": AlibabaDialect(),
    "artifactory": ArtifactoryDialect(),
    "cdevents": CdeventsDialect(),
    "cloudevents": CloudeventsDialect(),
    "distribution": DistributionDialect(),
    "diun": DiunDialect(),
    "dockerhub": DockerhubDialect(),
    "ecr": EcrDialect(),
    "eventgrid": EventgridDialect(),
    "gar": GarDialect(),
    "generic": GenericDialect(),
    "ghcr": GhcrDialect(),
    "gitea": GiteaDialect(),
    # Its registry is distribution's, with the events of that.
    "gitlab": DistributionDialect(),
    "harbor": HarborDialect(),
    "nexus": NexusDialect(),
    "quay": QuayDialect(),
    "zot": ZotDialect(),
}


def build_dialect(name: str, mapping: GenericMapping | None) -> Dialect:
    """The dialect of one source; `generic` reads what its mapping points at."""
    return GenericDialect(mapping) if name == "generic" else DIALECTS[name]
