"""Manifests, indexes and configurations as immutable values. watcher/model/image_json.py reads them.

Spec: OCI image-spec v1.1 "Image Manifest", "Image Index", "Image Configuration"; Docker image manifest v2 schema 2.
"""

import re
from dataclasses import dataclass, field

from watcher.model.digest import Digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
# Of `{}`, which stands where there is nothing. Spec: OCI image-spec v1.1 "Guidance for an Empty Descriptor".
EMPTY_DIGEST = Digest("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

SCHEMA_1_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
IMAGE_CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})
ACCEPTED_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

# Layers that every runtime unpacks into a root file system. Any other may be data of an artefact, or for a runtime of its own.
_ROOTFS_LAYER = re.compile(
    r"application/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)"
    r"(?:[+.](?:gzip|zstd|bzip2|xz))?"
)
NON_DISTRIBUTABLE_MARKS = ("nondistributable", "rootfs.foreign")

# The specification has registries accept at least 4 MiB; distribution refuses more, so nothing larger can be pushed to it.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
# A configuration grows with history and labels; the largest seen in the wild are below 1 MiB.
MAX_CONFIG_BYTES = 8 * 1024 * 1024
# overlay2 mounts 128 at most; four times that is not an image, it is an attack.
MAX_LAYERS = 512
# Official images have a dozen platforms with an attestation each.
MAX_INDEX_ENTRIES = 512
# An index of indexes exists, one of those has not been seen.
MAX_INDEX_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A pointer to content. `size` is in bytes and part of what is verified."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    platform: str | None = None

    @property
    def is_rootfs_layer(self) -> bool:
        return _ROOTFS_LAYER.fullmatch(self.media_type) is not None

    @property
    def is_non_distributable(self) -> bool:
        return any(mark in self.media_type for mark in NON_DISTRIBUTABLE_MARKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image or artefact. Layers are oldest (base) first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Digest | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What its author says it is."""
        return self.artifact_type or self.config.media_type

    @property
    def is_bare_artifact(self) -> bool:
        """Whether the manifest alone says that no runtime starts it: its configuration is not called an image's, and there is no
        layer or the configuration is `{}`.

        Types of layers, `subject`, `artifactType` and tags never say so: they are its author's claims.
        """
        return self.config.media_type not in IMAGE_CONFIG_TYPES and (not self.layers or self.config.digest == EMPTY_DIGEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Several manifests under one digest."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Digest | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedManifest:
    """A manifest with the exact bytes that hash to its digest."""

    digest: Digest
    media_type: str
    raw: bytes
    content: Manifest | Index


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One build step as the builder recorded it. `empty_layer` steps have no layer of their own."""

    created_by: str
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The parts of an image configuration that say how it runs. Text is as written, untrusted."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: str = ""
    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    healthcheck: tuple[str, ...] = ()
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()

    @property
    def platform(self) -> str:
        """`os/architecture[/variant]`."""
        return "/".join(part for part in (self.os or "unknown", self.architecture or "unknown", self.variant) if part)

    @property
    def is_windows(self) -> bool:
        """Then USER is an account of Windows: there is no uid, and no /etc/passwd."""
        return self.os.lower() == "windows"
