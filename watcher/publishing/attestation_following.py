"""Which image is signed by what was pushed: how others sign it decides how we attest it. A part of `attestation.py`.

Whoever signs an image does so once it is pushed, and by then we may have attested it.
"""

from collections.abc import Collection

from watcher.model.digest import Digest
from watcher.model.errors import PermanentError
from watcher.model.image import Manifest
from watcher.model.reference import Tag
from watcher.model.referrers_tag import subject_of
from watcher.model.verdict import Subject
from watcher.publishing.attestation_bundle import BUNDLE_PREFIX
from watcher.registry.protocol import RegistryAccess


async def signed_by(access: RegistryAccess, found: Subject) -> Collection[Digest]:
    """By its tag as cosign 2 does, or as a Sigstore bundle; none where it is neither, or gone. Anybody can claim to sign anything.

    Raises: RetryableError.
    """
    named = [subject_of(Tag(stem)) for stem, _, ending in (tag.rpartition(".") for tag in found.tags) if ending in {"sig", "att"}]
    if tagged := [image for image in named if image is not None]:
        return tagged
    try:
        content = (await access.manifests(found.repository).manifest(found.digest)).content
    except PermanentError:
        return ()
    is_bundle = isinstance(content, Manifest) and content.kind.startswith(BUNDLE_PREFIX)
    return [content.subject] if is_bundle and content.subject is not None else ()
