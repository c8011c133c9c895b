"""The tag under which the referrers of an image are listed where a registry has no API for them.

Spec: OCI distribution-spec v1.1 "Referrers Tag Schema".
"""

import re

from watcher.model.digest import Digest
from watcher.model.reference import Tag

_SHA256 = re.compile(r"sha256-([0-9a-f]{64})")


def fallback_tag(subject: Digest) -> Tag:
    """`sha256:<hex>` becomes `sha256-<hex>`, with at most 64 characters of hex."""
    algorithm, _, encoded = subject.partition(":")
    return Tag(f"{algorithm[:32]}-{encoded[:64]}")


def subject_of(tag: Tag) -> Digest | None:
    """Whose referrers would be listed under the tag, if it is one of these. Anybody can give anything such a tag."""
    found = _SHA256.fullmatch(tag)
    return Digest(f"sha256:{found[1]}") if found else None
