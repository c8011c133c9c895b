"""Which images an SBOM that was pushed is attached to: they were looked at before it was there. Pure.

Spec: OCI distribution-spec v1.1 "Referrers Tag Schema".
"""

import re
from collections.abc import Collection, Iterable

from watcher.model.digest import Digest
from watcher.model.image import Index, Manifest
from watcher.model.reference import Tag
from watcher.model.sbom_types import attaches_sbom

_FALLBACK_TAG = re.compile(r"sha256-([0-9a-f]{64})")


def attached_to(content: Manifest | Index, tags: Iterable[Tag]) -> Collection[Digest]:
    """The subject of an SBOM; and what a list of referrers with one is of, by its tag, since a registry may have no other list."""
    if isinstance(content, Manifest):
        return {content.subject} if content.subject and attaches_sbom(content.kind, content.annotations) else set()
    if not any(attaches_sbom(each.artifact_type, each.annotations) for each in content.manifests):
        return set()
    return {Digest(f"sha256:{found[1]}") for found in map(_FALLBACK_TAG.fullmatch, tags) if found}
