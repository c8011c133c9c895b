"""Signatures as JWS has them, by the kinds of key that Notary Project allows. A part of `notation.py`.

A key has one algorithm and no choice. cryptography is imported when the first one is asked about: most daemons sign nothing.

Spec: notaryproject/specifications signature-specification "Algorithm Selection"; RFC 7518 sections 3.4 and 3.5.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

WANTED_KEY = "an EC key on P-256, P-384 or P-521, or an RSA key of 2048, 3072 or 4096 bits is wanted"
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
# No others: verifiers refuse an RSA key of another size, however large.
_RSA_BITS = {2048: "PS256", 3072: "PS384", 4096: "PS512"}


def algorithm_of(key: "PublicKeyTypes") -> str | None:
    """The one that a key signs with, as JWS names it; None for a key that is not allowed."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if isinstance(key, EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name)
    return _RSA_BITS.get(key.key_size) if isinstance(key, RSAPublicKey) else None


def sign(message: bytes, key: "PrivateKeyTypes") -> bytes:
    """By an allowed key. The same message has the same signature of an EC key, r and s in full width, and another each time of RSA.

    Raises ValueError for any other key.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if isinstance(key, EllipticCurvePrivateKey):
        hashed, width = _hash(key.public_key()), (key.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(message, ECDSA(hashed, deterministic_signing=True)))
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")
    if isinstance(key, RSAPrivateKey):
        hashed = _hash(key.public_key())
        return key.sign(message, PSS(MGF1(hashed), hashed.digest_size), hashed)
    raise ValueError(WANTED_KEY)


def verifies(message: bytes, signature: bytes, key: "PublicKeyTypes") -> bool:
    """Whether the signature is by the key; false for a key that is not allowed."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if algorithm_of(key) is None:
        return False
    hashed = _hash(key)
    try:
        if isinstance(key, EllipticCurvePublicKey):
            width = (key.key_size + 7) // 8
            if len(signature) != 2 * width:
                return False
            r, s = (int.from_bytes(half, "big") for half in (signature[:width], signature[width:]))
            key.verify(encode_dss_signature(r, s), message, ECDSA(hashed))
        elif isinstance(key, RSAPublicKey):
            key.verify(signature, message, PSS(MGF1(hashed), hashed.digest_size), hashed)
    except InvalidSignature:
        return False
    return True


def _hash(key: "PublicKeyTypes") -> "HashAlgorithm":
    """Raises ValueError for a key that is not allowed."""
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

    bits = (algorithm_of(key) or "")[2:]
    if not bits:
        raise ValueError(WANTED_KEY)
    return {"256": SHA256(), "384": SHA384(), "512": SHA512()}[bits]
