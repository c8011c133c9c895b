"""The keys that verdicts are signed and checked with: ECDSA on P-256, and Ed25519, as PEM.

cryptography is imported when the first key is read: it takes a tenth of a second, and most daemons sign nothing.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.kit.secret import resolve
from watcher.model.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_WANTED = "an ECDSA key on P-256 or an Ed25519 key is wanted"


class PublicKey:
    """Checks signatures. `hint` names the key as sigstore does: base64 of the SHA-256 of its PKIX form."""

    __slots__ = ("_key", "hint", "pem")

    def __init__(self, key: "EllipticCurvePublicKey | Ed25519PublicKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = key
        self.pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.hint = b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()

    def verifies(self, message: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                self._key.verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """Signs. Shows nothing of itself: not in `repr`, not in a log, not in an error."""

    __slots__ = ("_key", "public")

    def __init__(self, key: "EllipticCurvePrivateKey | Ed25519PrivateKey") -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The signature; of ECDSA over SHA-256, as DER. The same message has the same one, so that what is published again is the
        same bytes.

        Spec: RFC 6979 (deterministic ECDSA).
        """
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ECDSA(SHA256(), deterministic_signing=True))

    def __repr__(self) -> str:
        return "***"


def signing_key(reference: str, password: str | None = None) -> SigningKey:
    """The private key that `env:NAME` or `file:PATH` names, PKCS#8 or SEC1, with the reference to its password if it has one.

    Raises:
        ConfigurationError: it cannot be read, the password is wrong or missing, or it is a key of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = private_key(reference, password, _WANTED)
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)):
        return SigningKey(key)
    raise ConfigurationError(f"{reference}: a key of another kind; {_WANTED}")


def private_key(reference: str, password: str | None, wanted: str) -> "PrivateKeyTypes":
    """A key of any kind, in PEM; errors end with what is `wanted`.

    Raises:
        ConfigurationError: it cannot be read, or the password is wrong or missing.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = resolve(reference).reveal()
    if "SIGSTORE PRIVATE KEY" in pem:
        raise ConfigurationError(f"{reference}: a key in cosign's own format; {wanted}, as openssl writes it: PKCS#8 or SEC1")
    opened_by = resolve(password).reveal().encode() if password is not None else None
    try:
        return load_pem_private_key(pem.encode(), opened_by)
    except TypeError:
        what = "the key has a password, and none is given" if opened_by is None else "the key has no password, and one is given"
        raise ConfigurationError(f"{reference}: {what}") from None
    except (ValueError, UnsupportedAlgorithm):
        # What cryptography says of it may quote it.
        wrong = "is no private key in PEM" + ("" if opened_by is None else ", or has another password")
        raise ConfigurationError(f"{reference}: {wrong}; {wanted}") from None


def public_key(path: Path) -> PublicKey:
    """The public key in a file.

    Raises:
        ConfigurationError: it cannot be read, or is a key of another kind.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if b"PRIVATE KEY" in pem:
        raise ConfigurationError(f"{path}: a private key, which checks nothing; `openssl pkey -pubout` writes the public one")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{path}: is no public key in PEM; {_WANTED}") from error
    if isinstance(key, Ed25519PublicKey) or (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)):
        return PublicKey(key)
    raise ConfigurationError(f"{path}: a key of another kind; {_WANTED}")
