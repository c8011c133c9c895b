"""What `watcher doctor --write` puts into a registry, byte for byte the same each time. Pure, and a part of `probe`.

What is always the same is known as ours without anybody recording it, also to a daemon on another machine. And nobody hides an
image behind it: these are bare artefacts, which cannot run, and lists of them.
"""

from typing import Any

import msgspec

from watcher.model.digest import digest_of
from watcher.model.image import EMPTY_DIGEST, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from watcher.model.referrers_tag import fallback_tag

ARTIFACT_TYPE = "application/vnd.registry-watcher.doctor.v1+json"
EMPTY_BLOB = b"{}"


def _encoded(manifest: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"schemaVersion": 2, **manifest}, order="deterministic")


def _described(manifest: bytes) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": digest_of(manifest), "size": len(manifest)}


_EMPTY = {"mediaType": OCI_EMPTY, "digest": EMPTY_DIGEST, "size": len(EMPTY_BLOB)}
_BARE = {"mediaType": OCI_MANIFEST, "artifactType": ARTIFACT_TYPE, "config": _EMPTY, "layers": [_EMPTY]}

SUBJECT = _encoded(_BARE)
ARTIFACT = _encoded({**_BARE, "subject": _described(SUBJECT), "annotations": {}})
_LISTED = [{**_described(each), "artifactType": ARTIFACT_TYPE} for each in (ARTIFACT, SUBJECT)]
INDEX, OTHER_INDEX = (_encoded({"mediaType": OCI_INDEX, "manifests": entries}) for entries in (_LISTED[:1], _LISTED))

TAG = fallback_tag(digest_of(SUBJECT))
DIGESTS = frozenset(map(digest_of, (SUBJECT, ARTIFACT, INDEX, OTHER_INDEX)))
"""Everything that may be put."""
