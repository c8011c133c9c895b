"""Which image is signed by what was pushed: how others sign it decides how we attest it. A part of `attestation.py`.

Whoever signs an image does so once it is pushed, and by then we may have attested it.
"""

import re
from collections.abc import Collection

from watcher.model.digest import Digest
from watcher.model.errors import PermanentError
from watcher.model.image import Manifest
from watcher.model.verdict import Subject
from watcher.publishing.attestation_bundle import BUNDLE_PREFIX
from watcher.registry.protocol import RegistryAccess

_LEGACY = re.compile(r"sha256-([0-9a-f]{64})\.(?:sig|att)")


async def signed_by(access: RegistryAccess, found: Subject) -> Collection[Digest]:
    """By its tag as cosign 2 does, or as a Sigstore bundle; none where it is neither, or gone. Anybody can claim to sign anything.

    Raises: RetryableError.
    """
    tagged = [Digest(f"sha256:{matched[1]}") for matched in map(_LEGACY.fullmatch, found.tags) if matched]
    if tagged:
        return tagged
    try:
        content = (await access.manifests(found.repository).manifest(found.digest)).content
    except PermanentError:
        return ()
    is_bundle = isinstance(content, Manifest) and content.kind.startswith(BUNDLE_PREFIX)
    return [content.subject] if is_bundle and content.subject is not None else ()
