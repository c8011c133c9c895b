"""Content digests, as the registry writes them: `sha256:<64 lower-case hex>` or `sha512:<128>`."""

import hashlib
import re
from typing import NewType

from watcher.model.errors import InvalidReferenceError

Digest = NewType("Digest", str)

# OCI image-spec v1.1 registers these two; anything else cannot be verified and is refused at the rim.
DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def parse_digest(text: str) -> Digest:
    """Take a digest from untrusted text.

    Raises:
        InvalidReferenceError: not a registered algorithm, or hex of the wrong length or case.
    """
    if DIGEST_PATTERN.fullmatch(text) is None:
        raise InvalidReferenceError(f"digest {text[:80]!r}: expected sha256:<64 hex> or sha512:<128 hex>")
    return Digest(text)


def is_digest(text: str) -> bool:
    return DIGEST_PATTERN.fullmatch(text) is not None


def digest_of(content: bytes) -> Digest:
    """The sha256 digest of `content`."""
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def digest_as(content: bytes, like: Digest) -> Digest:
    """The digest of `content` under the algorithm of `like`, to compare the two."""
    algorithm = like.partition(":")[0]
    return Digest(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")


def short(digest: Digest) -> str:
    """The first twelve hex digits, as people and the quarantine tag write it."""
    return digest.partition(":")[2][:12]
