"""Manifests, indexes and configurations from untrusted JSON.

Spec: OCI image-spec v1.1 "Image Manifest", "Image Index", "Image Configuration"; Docker image manifest v2 schema 2.
"""

import json

from watcher.model.digest import Digest, parse_digest
from watcher.model.errors import AmbiguousManifestError, InvalidManifestError, InvalidReferenceError, NotAManifestError
from watcher.model.image import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_INDEX_ENTRIES,
    MAX_LAYERS,
    MAX_MANIFEST_BYTES,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA_1_TYPES,
    Descriptor,
    HistoryEntry,
    ImageConfig,
    Index,
    Manifest,
)
from watcher.model.json_fields import Fields
from watcher.model.one_reading import CONFIG, INT64_MAX, MANIFEST, folded, read_object

# A build of a thousand steps has been seen; each is a line of the report.
MAX_HISTORY = 10_000


def parse_manifest(raw: bytes, media_type: str) -> Manifest | Index:
    """Read a manifest or index. `media_type` is the Content-Type it was served with, which counts where the body says none.

    Raises:
        NotAManifestError: not JSON, or nothing in it is that of a manifest. AmbiguousManifestError: programs read it differently.
        InvalidManifestError: schema 1, a type we do not know, a field of the wrong shape, or beyond MAX_LAYERS,
            MAX_INDEX_ENTRIES or MAX_MANIFEST_BYTES.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise NotAManifestError(f"{len(raw)} bytes are no manifest: at most {MAX_MANIFEST_BYTES} are")
    body = read_object(raw, "manifest", MANIFEST)
    kind = _media_type(body, media_type.partition(";")[0].strip())
    if kind in INDEX_TYPES:
        return Index(
            media_type=kind,
            manifests=tuple(_descriptor(entry) for entry in body.objects("manifests", at_most=MAX_INDEX_ENTRIES)),
            subject=_subject(body),
            artifact_type=body.text("artifactType") or None,
            annotations=body.strings("annotations"),
        )
    if not body.object("config").values:
        raise NotAManifestError("manifest has no config")
    manifest = Manifest(
        media_type=kind,
        config=_descriptor(body.object("config")),
        layers=tuple(_descriptor(layer) for layer in body.objects("layers", at_most=MAX_LAYERS)),
        subject=_subject(body),
        artifact_type=body.text("artifactType") or None,
        annotations=body.strings("annotations"),
    )
    # Together they are a number of the report and of the database.
    if sum(layer.size for layer in manifest.layers) > INT64_MAX:
        raise AmbiguousManifestError("manifest.layers have together a size beyond 64 bits")
    return manifest


def parse_config(raw: bytes) -> ImageConfig:
    """Read an image configuration; absent fields are empty, since builders leave most of them out.

    Raises:
        NotAManifestError: not a JSON object. AmbiguousManifestError: programs read it differently.
        InvalidManifestError: a field of the wrong shape.
    """
    body = read_object(raw, "image configuration", CONFIG)
    runtime = body.object("config")
    return ImageConfig(
        architecture=body.text("architecture"),
        os=body.text("os"),
        variant=body.text("variant"),
        created=body.text("created"),
        user=runtime.text("User"),
        env=runtime.texts("Env"),
        entrypoint=runtime.texts("Entrypoint"),
        cmd=runtime.texts("Cmd"),
        working_dir=runtime.text("WorkingDir"),
        exposed_ports=runtime.names("ExposedPorts"),
        volumes=runtime.names("Volumes"),
        labels=runtime.strings("Labels"),
        healthcheck=runtime.object("Healthcheck").texts("Test"),
        stop_signal=runtime.text("StopSignal"),
        shell=runtime.texts("Shell"),
        diff_ids=body.object("rootfs").texts("diff_ids"),
        history=tuple(
            HistoryEntry(created_by=step.text("created_by"), comment=step.text("comment"), empty_layer=step.flag("empty_layer"))
            for step in body.objects("history", at_most=MAX_HISTORY)
        ),
    )


def describes_image(raw: bytes) -> bool:
    """Whether a runtime could take the bytes for an image configuration, whatever they are called and however they are written.

    That is JSON with `rootfs.diff_ids` or `config` in some spelling. Which of several readings is right `parse_config` does not
    decide either: it refuses them.
    """
    try:
        body = json.loads(raw.decode("utf-8", "replace"), object_pairs_hook=tuple, parse_int=str)
    except RecursionError:
        return True
    except ValueError:
        return False
    if not isinstance(body, tuple):
        return False
    for name, value in body:
        if isinstance(value, tuple) and (
            folded(name) == "config" or (folded(name) == "rootfs" and any(folded(inner) == "diff_ids" for inner, _ in value))
        ):
            return True
    return False


def _media_type(body: Fields, served: str) -> str:
    """What to read it as: what it says, else how it was served, else what it holds. Where these disagree, so do its readers.

    Spec: OCI image-spec v1.1 "Image Manifest", property `mediaType`; CVE-2021-41190.
    """
    said = body.text("mediaType")
    of_an_image, of_an_index = body.has("layers") or body.has("config"), body.has("manifests")
    if body.has("fsLayers") or body.values.get("schemaVersion") == 1 or {said, served} & SCHEMA_1_TYPES:
        if of_an_image or of_an_index:
            raise AmbiguousManifestError("manifest is of schema 1 and has layers of schema 2 as well")
        raise InvalidManifestError("schema 1 is not supported: push the image again with a client that writes OCI manifests")
    if not of_an_image and not of_an_index:
        raise NotAManifestError("manifest has neither layers nor manifests")
    if of_an_image and of_an_index:
        beside = "layers" if body.has("layers") else "config"
        raise AmbiguousManifestError(
            f"manifest has the key {beside!r} beside 'manifests', so it is an image to some and an index to others"
        )
    matching, others = (INDEX_TYPES, MANIFEST_TYPES) if of_an_index else (MANIFEST_TYPES, INDEX_TYPES)
    for source, named in (("says that it is", said), ("was served as", served)):
        if named in others:
            holds = "manifests" if of_an_index else "layers"
            raise AmbiguousManifestError(f"manifest {source} {named} and has the key {holds!r}")
    if said and said not in matching:
        raise InvalidManifestError(f"manifest of unsupported type {said[:100]!r}")
    if said or served in matching:
        return said or served
    if of_an_index:
        return OCI_INDEX
    return DOCKER_MANIFEST if body.object("config").text("mediaType") == DOCKER_CONFIG else OCI_MANIFEST


def _descriptor(body: Fields) -> Descriptor:
    body.texts("urls")  # nobody fetches from them, but what is no list of texts there is no manifest to others
    return Descriptor(
        media_type=body.text("mediaType"),
        digest=_digest(body),
        size=body.whole("size"),
        artifact_type=body.text("artifactType") or None,
        annotations=body.strings("annotations"),
        platform=_platform(body.object("platform")),
    )


def _platform(body: Fields) -> str | None:
    if not body.values:
        return None
    parts = (body.text("os") or "unknown", body.text("architecture") or "unknown", body.text("variant"))
    return "/".join(part for part in parts if part)


def _subject(body: Fields) -> Digest | None:
    subject = body.object("subject")
    return _digest(subject) if subject.values else None


def _digest(body: Fields) -> Digest:
    try:
        return parse_digest(body.text("digest"))
    except InvalidReferenceError as error:
        raise InvalidManifestError(f"{body.place}: {error}") from error
