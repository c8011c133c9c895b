"""SBOMs as people attach them to images, and as builders do."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from watcher.model.digest import digest_of
from watcher.model.image import EMPTY_DIGEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from watcher.registry.referrers import EMPTY_BLOB, build_artifact
from watcher.testing.images import BuiltImage

SPDX_PREDICATE = "https://spdx.dev/Document"
SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def cyclonedx(*purls: str, tool: str = "syft", **fields: Any) -> bytes:
    """A document with a tool, and a component of each purl."""
    said = {"tools": {"components": [{"type": "application", "name": tool, "version": "1.18.1"}]}}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": said, "components": [{"purl": each} for each in purls]}
    return json.dumps({**document, **fields}).encode()


def spdx(*purls: str) -> bytes:
    kind = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl"}
    referred = [{"externalRefs": [{**kind, "referenceLocator": purl}]} for purl in purls]
    creation = {"creators": ["Organization: someone", "Tool: buildkit-v0.12"]}
    return json.dumps({"spdxVersion": "SPDX-2.3", "creationInfo": creation, "packages": referred}).encode()


def statement(predicate: bytes, predicate_type: str = SPDX_PREDICATE) -> bytes:
    """Of in-toto, about nothing in particular."""
    said = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate_type, "subject": []}
    return json.dumps({**said, "predicate": json.loads(predicate)}).encode()


def bundle(content: bytes) -> bytes:
    """Of sigstore, around a statement; signed by nobody."""
    envelope = {"payloadType": "application/vnd.in-toto+json", "payload": b64encode(content).decode(), "signatures": []}
    return json.dumps({"mediaType": SIGSTORE_BUNDLE, "verificationMaterial": {}, "dsseEnvelope": envelope}).encode()


def attached(
    subject: BuiltImage, artifact_type: str, content: bytes, *, layer_type: str = "", annotations: Mapping[str, str] | None = None
) -> BuiltImage:
    """A referrer of `subject` with one layer, of the artefact's own type unless another is said."""
    layer = Descriptor(media_type=layer_type or artifact_type, digest=digest_of(content), size=len(content))
    image = Descriptor(media_type=subject.media_type, digest=subject.digest, size=len(subject.raw))
    raw = build_artifact(image, artifact_type, [layer], annotations or {})
    return BuiltImage(media_type=OCI_MANIFEST, raw=raw, blobs={EMPTY_DIGEST: EMPTY_BLOB, layer.digest: content})


def attested(image: BuiltImage, content: bytes, predicate_type: str = SPDX_PREDICATE) -> BuiltImage:
    """An index as BuildKit writes it: the image, and beside it a manifest with a statement about it."""
    config = b'{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
    statements = {
        "mediaType": "application/vnd.in-toto+json",
        "digest": digest_of(content),
        "size": len(content),
        "annotations": {"in-toto.io/predicate-type": predicate_type},
    }
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": [statements],
    }
    manifest = BuiltImage(
        media_type=OCI_MANIFEST, raw=msgspec.json.encode(body), blobs={digest_of(config): config, digest_of(content): content}
    )
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": image.digest, "size": len(image.raw), "platform": _platform("linux", "amd64")},
        {
            "mediaType": OCI_MANIFEST,
            "digest": manifest.digest,
            "size": len(manifest.raw),
            "platform": _platform("unknown", "unknown"),
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image.digest,
            },
        },
    ]
    raw = msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    return BuiltImage(media_type=OCI_INDEX, raw=raw, children=(image, manifest))


def _platform(system: str, architecture: str) -> dict[str, str]:
    return {"os": system, "architecture": architecture}
