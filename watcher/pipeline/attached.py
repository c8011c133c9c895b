"""Which images an SBOM that was pushed is attached to: they were looked at before it was there. Pure.

Spec: OCI distribution-spec v1.1 "Referrers Tag Schema".
"""

from collections.abc import Collection, Iterable

from watcher.model.digest import Digest
from watcher.model.image import Index, Manifest
from watcher.model.reference import Tag
from watcher.model.referrers_tag import subject_of
from watcher.model.sbom_types import attaches_sbom


def attached_to(content: Manifest | Index, tags: Iterable[Tag]) -> Collection[Digest]:
    """The subject of an SBOM; and what a list of referrers with one is of, by its tag, since a registry may have no other list."""
    if isinstance(content, Manifest):
        return {content.subject} if content.subject and attaches_sbom(content.kind, content.annotations) else set()
    if not any(attaches_sbom(each.artifact_type, each.annotations) for each in content.manifests):
        return set()
    return {found for found in map(subject_of, tags) if found}
