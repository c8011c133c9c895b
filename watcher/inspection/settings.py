"""What an inspection may cost. Whatever goes beyond is said in the sections of the inspection, never a crash."""

import os
from typing import Annotated, Literal

import msgspec

from watcher.inspection.file_digests import FileDigests
from watcher.kit.units import Duration, Size, refuse_nothing


class InspectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `inspection` block."""

    # Layers read at the same time, one confined process each; and while all are larger than 16 MiB one smaller one besides, so that
    # a small image never waits for a large one. Up to 8 more wait for slow registries. `auto` is the number of processors this
    # process may use.
    workers: Literal["auto"] | Annotated[int, msgspec.Meta(ge=1, le=256)] = "auto"
    # Unpacked bytes of all layers together. The largest images seen (models, CUDA toolchains) have about 15 GiB.
    max_image: Size = "20GiB"
    # Unpacked bytes of one layer; the rest of a layer that has more is not looked at.
    max_layer: Size = "10GiB"
    # Entries of one layer, and of all layers together. Two million is a large monorepo with its node_modules.
    max_files: Annotated[int, msgspec.Meta(ge=1)] = 5_000_000
    # Which regular files have the sha256 of their content kept, for rules and for whoever asks which image has a file: `none`,
    # `executables` (whoever may run them) or `all`. Executables take up to a twentieth of an inspection, all files up to a third. A
    # layer that was read with another setting is read again only if it has files that this one wants and that one did not.
    file_digests: FileDigests = "executables"
    # One image, from its configuration to its last layer; and all that is fetched for one index, whatever waits for a worker aside.
    # Also what one layer may use of a processor.
    timeout: Duration = "10m"
    # What one worker may take beyond what it starts with; it needs about 64 MiB for any layer, more for large package databases.
    worker_memory: Size = "512MiB"

    def __post_init__(self) -> None:
        refuse_nothing(max_image=self.max_image, max_layer=self.max_layer, timeout=self.timeout, worker_memory=self.worker_memory)

    @property
    def worker_count(self) -> int:
        return len(os.sched_getaffinity(0)) if self.workers == "auto" else self.workers
