"""Certificates as Notary Project wants them: what is wrong with some is said before anything is signed. A part of `notation.py`.

Spec: notaryproject/specifications signature-specification "Certificate Requirements".
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from watcher.model.moments import iso
from watcher.publishing.notation_algorithm import WANTED_KEY, algorithm_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, ExtensionType, KeyUsage

    Extension = TypeVar("Extension", bound=ExtensionType)

_ONLY_SIGNS = "whose keyUsage is digitalSignature alone, marked critical"


class ChainError(ValueError):
    """What no verifier would accept, and which certificate it is of."""


def read_chain(pem: bytes) -> Sequence["Certificate"]:
    """Raises ChainError where there is none."""
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(pem)
    except (ValueError, InvalidVersion):
        raise ChainError("no certificates in PEM") from None


def name_of(certificate: "Certificate") -> str:
    """Whose it is, as people are told."""
    return f"the certificate of {certificate.subject.rfc4514_string() or 'nobody'!s:.200}"


def check_chain(chain: Sequence["Certificate"]) -> None:
    """That they sign code, and each is by the next up to a root; not when they are valid.

    Raises ChainError.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        _check(chain)
    except ChainError:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Much of a certificate is read only when it is asked about.
        raise ChainError(f"a certificate that cannot be read: {error!s:.200}") from error


def problem_at(chain: Sequence["Certificate"], moment: datetime) -> str:
    """Why the chain is not valid then, empty where it is."""
    for each in chain:
        if moment > each.not_valid_after_utc:
            return f"{name_of(each)}: has expired at {iso(each.not_valid_after_utc)}"
        if moment < each.not_valid_before_utc:
            return f"{name_of(each)}: is valid from {iso(each.not_valid_before_utc)} on"
    return ""


def _check(chain: Sequence["Certificate"]) -> None:
    leaf, *above = chain
    _check_leaf(leaf)
    for place, (certificate, issuer) in enumerate(zip(chain, above, strict=False)):
        if _is_by(certificate, certificate):
            raise ChainError(f"{name_of(certificate)}: is by itself, and others follow it")
        if not _is_by(certificate, issuer):
            raise ChainError(f"{name_of(certificate)}: is not by the next, {name_of(issuer)}; the one to sign with comes first")
        _check_authority(issuer, below=place)
    if not _is_by(chain[-1], chain[-1]):
        raise ChainError(f"{name_of(chain[-1])}: is the last one and no root; the whole chain is wanted")


def _check_leaf(leaf: "Certificate") -> None:
    from cryptography.x509 import BasicConstraints, ExtendedKeyUsage, KeyUsage
    from cryptography.x509.oid import ExtendedKeyUsageOID

    if algorithm_of(leaf.public_key()) is None:
        raise ChainError(f"{name_of(leaf)}: is of a key of another kind; {WANTED_KEY}")
    constraints, _ = _extension(leaf, BasicConstraints)
    if constraints is not None and constraints.ca:
        raise ChainError(f"{name_of(leaf)}: is an authority's; one to sign code with is wanted first")
    usage, is_critical = _extension(leaf, KeyUsage)
    if usage is None or not is_critical or not usage.digital_signature or _does_more(usage):
        raise ChainError(f"{name_of(leaf)}: one is wanted {_ONLY_SIGNS}")
    extended, _ = _extension(leaf, ExtendedKeyUsage)
    if extended is None or [*extended] != [ExtendedKeyUsageOID.CODE_SIGNING]:
        raise ChainError(f"{name_of(leaf)}: one is wanted whose extendedKeyUsage is codeSigning alone")
    _check_hash(leaf)


def _check_authority(certificate: "Certificate", *, below: int) -> None:
    """`below`: how many authorities stand below it."""
    from cryptography.x509 import BasicConstraints, KeyUsage

    constraints, is_critical = _extension(certificate, BasicConstraints)
    if constraints is None or not is_critical or not constraints.ca:
        raise ChainError(f"{name_of(certificate)}: is no authority's: basicConstraints with CA:TRUE, marked critical, is wanted")
    if constraints.path_length is not None and constraints.path_length < below:
        raise ChainError(f"{name_of(certificate)}: allows for {constraints.path_length} authorities below it, not {below}")
    usage, is_critical = _extension(certificate, KeyUsage)
    if usage is None or not is_critical or not usage.key_cert_sign:
        raise ChainError(f"{name_of(certificate)}: keyUsage with keyCertSign, marked critical, is wanted")
    _check_hash(certificate)


def _check_hash(certificate: "Certificate") -> None:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        hashed = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        hashed = None
    if hashed is not None and hashed.name in {"sha1", "md5"}:
        raise ChainError(f"{name_of(certificate)}: is signed by way of {hashed.name}, which nobody accepts any more")


def _does_more(usage: "KeyUsage") -> bool:

    others = (usage.key_encipherment, usage.data_encipherment, usage.key_agreement, usage.key_cert_sign, usage.crl_sign)
    return any(others)


def _is_by(certificate: "Certificate", issuer: "Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _extension(certificate: "Certificate", kind: "type[Extension]") -> "tuple[Extension | None, bool]":
    """It, and whether it is marked critical."""
    from cryptography.x509 import DuplicateExtension, ExtensionNotFound, UnsupportedGeneralNameType

    try:
        found = certificate.extensions.get_extension_for_class(kind)
    except ExtensionNotFound:
        return None, False
    except (ValueError, DuplicateExtension, UnsupportedGeneralNameType):
        raise ChainError(f"{name_of(certificate)}: its extensions cannot be read") from None
    return found.value, found.critical
