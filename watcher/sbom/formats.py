"""Every format of an SBOM, by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from watcher.model.sbom_types import CYCLONEDX_JSON, SPDX_JSON
from watcher.sbom import cyclonedx, spdx
from watcher.sbom.contents import Contents


@dataclass(frozen=True, slots=True)
class SbomFormat:
    """`write` is pure, and slow for an image of many packages."""

    media_type: str
    write: Callable[[Contents], bytes]


FORMATS: Mapping[str, SbomFormat] = {
    "cyclonedx": SbomFormat(CYCLONEDX_JSON, cyclonedx.cyclonedx),
    "spdx": SbomFormat(SPDX_JSON, spdx.spdx),
}
