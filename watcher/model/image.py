"""Manifests, indexes and configurations as immutable values, parsed from untrusted JSON.

Spec: OCI image-spec v1.1 "Image Manifest", "Image Index", "Image Configuration"; Docker image manifest v2 schema 2.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from watcher.model.digest import Digest, parse_digest
from watcher.model.errors import InvalidManifestError, WatcherError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
IMAGE_CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})
ACCEPTED_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

# A layer of these families is unpacked into a root file system; any other layer is data of some artefact.
ROOTFS_LAYER_PREFIXES = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
NON_DISTRIBUTABLE_MARKS = ("nondistributable", "rootfs.foreign")

# The specification has registries accept at least 4 MiB; distribution refuses more, so nothing larger can be pushed to it.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
# A configuration grows with history and labels; the largest seen in the wild are below 1 MiB.
MAX_CONFIG_BYTES = 8 * 1024 * 1024
# overlay2 mounts 128 at most; four times that is not an image, it is an attack.
MAX_LAYERS = 512
# Official images have a dozen platforms with an attestation each.
MAX_INDEX_ENTRIES = 512


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
        return self.media_type.startswith(ROOTFS_LAYER_PREFIXES)

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
    def is_runnable(self) -> bool:
        """Whether a runtime could start it: an image configuration, and root file system layers or none.

        `subject`, `artifactType` and tags never make a runnable image exempt: its author sets them.
        """
        if self.config.media_type not in IMAGE_CONFIG_TYPES:
            return any(layer.is_rootfs_layer for layer in self.layers)
        return not self.layers or any(layer.is_rootfs_layer for layer in self.layers)


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


def parse_manifest(raw: bytes, media_type: str) -> Manifest | Index:
    """Read a manifest or index. `media_type` is the Content-Type it was served with, decisive where the body has none.

    Raises:
        InvalidManifestError: not JSON, schema 1, a type we do not know, a field of the wrong shape, or beyond MAX_LAYERS,
            MAX_INDEX_ENTRIES or MAX_MANIFEST_BYTES.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise InvalidManifestError(f"manifest of {len(raw)} bytes: at most {MAX_MANIFEST_BYTES} are read")
    body = _object(raw, "manifest")
    declared = body.get("mediaType") or media_type.partition(";")[0].strip()
    try:
        if declared in INDEX_TYPES:
            entries = body.get("manifests") or []
            if len(entries) > MAX_INDEX_ENTRIES:
                raise InvalidManifestError(f"index with {len(entries)} entries: at most {MAX_INDEX_ENTRIES} are read")
            return Index(
                media_type=declared,
                manifests=tuple(_descriptor(entry) for entry in entries),
                subject=_subject(body),
                artifact_type=body.get("artifactType"),
                annotations=_strings(body.get("annotations")),
            )
        if declared in MANIFEST_TYPES:
            layers = body.get("layers") or []
            if len(layers) > MAX_LAYERS:
                raise InvalidManifestError(f"manifest with {len(layers)} layers: at most {MAX_LAYERS} are read")
            return Manifest(
                media_type=declared,
                config=_descriptor(body["config"]),
                layers=tuple(_descriptor(layer) for layer in layers),
                subject=_subject(body),
                artifact_type=body.get("artifactType"),
                annotations=_strings(body.get("annotations")),
            )
    except InvalidManifestError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, WatcherError) as error:
        raise InvalidManifestError(f"manifest of type {declared!r} is malformed: {error!r:.200}") from error
    raise InvalidManifestError(f"manifest of unsupported type {str(declared)[:100]!r}")


def parse_config(raw: bytes) -> ImageConfig:
    """Read an image configuration; absent fields are empty, since builders leave most of them out.

    Raises:
        InvalidManifestError: not a JSON object, or a field of the wrong shape.
    """
    body = _object(raw, "image configuration")
    try:
        runtime = _mapping(body.get("config"))
        return ImageConfig(
            architecture=_text(body.get("architecture")),
            os=_text(body.get("os")),
            variant=_text(body.get("variant")),
            created=_text(body.get("created")),
            user=_text(runtime.get("User")),
            env=_texts(runtime.get("Env")),
            entrypoint=_texts(runtime.get("Entrypoint")),
            cmd=_texts(runtime.get("Cmd")),
            working_dir=_text(runtime.get("WorkingDir")),
            exposed_ports=tuple(sorted(_mapping(runtime.get("ExposedPorts")))),
            volumes=tuple(sorted(_mapping(runtime.get("Volumes")))),
            labels=_strings(runtime.get("Labels")),
            healthcheck=_texts(_mapping(runtime.get("Healthcheck")).get("Test")),
            stop_signal=_text(runtime.get("StopSignal")),
            shell=_texts(runtime.get("Shell")),
            diff_ids=_texts(_mapping(body.get("rootfs")).get("diff_ids")),
            history=tuple(
                HistoryEntry(
                    created_by=_text(step.get("created_by")),
                    comment=_text(step.get("comment")),
                    empty_layer=bool(step.get("empty_layer")),
                )
                for step in body.get("history") or []
            ),
        )
    except (TypeError, AttributeError, ValueError) as error:
        raise InvalidManifestError(f"image configuration is malformed: {error!r:.200}") from error


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidManifestError(f"{what} is not JSON: {error!s:.200}") from error
    if not isinstance(body, dict):
        raise InvalidManifestError(f"{what} is not a JSON object")
    return body


def _descriptor(body: dict[str, Any]) -> Descriptor:
    size = body["size"]
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise InvalidManifestError(f"descriptor size {size!r:.40}: expected a whole number of bytes")
    platform = body.get("platform")
    _texts(body.get("urls"))  # nobody fetches from them, but what is no list of texts there is no manifest to others
    return Descriptor(
        media_type=_text(body["mediaType"]),
        digest=parse_digest(body["digest"]),
        size=size,
        artifact_type=body.get("artifactType"),
        annotations=_strings(body.get("annotations")),
        platform=_platform(platform) if platform else None,
    )


def _platform(body: dict[str, Any]) -> str:
    parts = (_text(body.get("os")) or "unknown", _text(body.get("architecture")) or "unknown", _text(body.get("variant")))
    return "/".join(part for part in parts if part)


def _subject(body: dict[str, Any]) -> Digest | None:
    subject = body.get("subject")
    return parse_digest(subject["digest"]) if subject else None


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("expected a list of texts, found one text")
    return tuple(_text(item) for item in value or ())


def _strings(value: object) -> dict[str, str]:
    return {_text(key): _text(item) for key, item in _mapping(value).items()}


def _mapping(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value
