"""How an SBOM that is attached to an image is called in a registry."""

from collections.abc import Mapping

CYCLONEDX_JSON = "application/vnd.cyclonedx+json"
SPDX_JSON = "application/spdx+json"
# Of which an SBOM is one kind, by its predicate.
IN_TOTO_JSON = "application/vnd.in-toto+json"
SBOM_PREDICATES = ("https://spdx.dev/Document", "https://cyclonedx.org/bom")
# Statements of in-toto that are signed, as cosign and GitHub's `attest-sbom` attach them; what about stands in an annotation.
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType"

# Readable here, of an artefact or of its layer.
READABLE_TYPES = frozenset({CYCLONEDX_JSON, SPDX_JSON, "text/spdx+json", IN_TOTO_JSON})
# SBOMs all the same, in forms that are not read.
OTHER_TYPES = frozenset({"application/vnd.cyclonedx+xml", "application/vnd.cyclonedx", "text/spdx", "application/vnd.syft+json"})

# An annotation of those that we attach: others attach them by the same types.
OUR_MARK = "io.registry-watcher.facts-revision"


def is_bundle(kind: str) -> bool:
    """Whether an artefact or a layer is a bundle of sigstore, of any version."""
    return kind.startswith(_BUNDLE)


def attaches_sbom(artifact_type: str | None, annotations: Mapping[str, str]) -> bool:
    """Whether an artefact says that it is an SBOM of somebody else, or may be one."""
    if OUR_MARK in annotations or not artifact_type:
        return False
    if is_bundle(artifact_type):
        return annotations.get(_BUNDLE_PREDICATE, "").startswith(SBOM_PREDICATES)
    return artifact_type in READABLE_TYPES | OTHER_TYPES
