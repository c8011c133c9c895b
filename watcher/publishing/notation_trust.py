"""Whose Notary Project signatures count. A part of `notation.py`.

Spec: notaryproject/specifications signing-and-verification-workflow, as far as it needs nobody else: no revocation is asked about.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.model.errors import ConfigurationError
from watcher.publishing.notation_algorithm import WANTED_KEY, algorithm_of
from watcher.publishing.notation_chain import ChainError, check_chain, problem_at, read_chain
from watcher.publishing.notation_envelope import Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.x509 import Certificate


class Trusted:
    """A key, or certificates: of whoever signs, or of an authority, whose every certificate to sign code with then counts."""

    __slots__ = ("_certificates", "_key")

    def __init__(self, key: "PublicKeyTypes | None" = None, certificates: Sequence["Certificate"] = ()) -> None:
        self._key = key
        self._certificates = certificates

    def has_signed(self, signature: Signature) -> bool:
        """Whether it is by this key, or by a certificate that is one of these or by way of one of these."""
        first = signature.chain[0].public_key()
        if not signature.is_by(first):
            return False
        if self._key is not None:
            return first == self._key
        if not any(each in self._certificates for each in signature.chain):
            return False
        try:
            check_chain(signature.chain)
        except ChainError:
            return False
        return True


def trusted(path: Path) -> Trusted:
    """The certificates in a file, or else the public key.

    Raises:
        ConfigurationError: it cannot be read, or is a key that signs no such thing.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        pem = path.read_bytes()
        if b"CERTIFICATE" in pem:
            return Trusted(certificates=read_chain(pem))
        key = load_pem_public_key(pem)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path}: is neither a public key nor a certificate in PEM") from error
    if algorithm_of(key) is None:
        raise ConfigurationError(f"{path}: a key of another kind; {WANTED_KEY}")
    return Trusted(key=key)


def problem_of(signature: Signature, now: datetime) -> str:
    """Why one that is trusted does not count now, empty where it does."""
    if not signature.is_plain:
        return "makes demands that are not known here"
    if signature.expires_at is not None and now >= signature.expires_at:
        return "has expired"
    try:
        return problem_at(signature.chain, now)
    except (ValueError, TypeError):
        return "its certificates cannot be read"
