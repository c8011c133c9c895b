"""A Notary Project signature: a manifest that somebody signed, in a JWS with his certificates. Pure. A part of `notation.py`.

Spec: notaryproject/specifications signature-envelope-jws, signature-specification "OCI Signatures"; RFC 7515 section 7.2.2.
"""

from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from watcher.model.digest import Digest, is_digest
from watcher.model.errors import PermanentError
from watcher.model.foreign_json import read_shaped
from watcher.model.image import Descriptor
from watcher.model.moments import iso, moment_of
from watcher.publishing.notation_algorithm import algorithm_of, sign, verifies

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.x509 import Certificate

NOTATION_TYPE = "application/vnd.cncf.notary.signature"
JWS_TYPE = "application/jose+json"
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
SCHEME = "notary.x509"
_SCHEME = "io.cncf.notary.signingScheme"
_TIME = "io.cncf.notary.signingTime"
_EXPIRY = "io.cncf.notary.expiry"
# More certificates than these are no chain that anybody has.
MOST_CERTIFICATES = 10


class SignatureError(PermanentError):
    """The bytes are no signature that we could check."""

    reason = "invalid-signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What is said in one. `chain` is whoever signed it, if `is_by` its first key; nothing of it is true before that.

    `is_plain`: it makes no demands that are not known here.
    """

    target: Descriptor
    said_at: datetime | None
    expires_at: datetime | None
    chain: Sequence["Certificate"]
    algorithm: str
    message: bytes
    signature: bytes
    is_plain: bool

    def is_by(self, key: "PublicKeyTypes") -> bool:
        """Whether the key signed it. Which algorithm that is the key says, and not the signature."""
        return algorithm_of(key) == self.algorithm and verifies(self.message, self.signature, key)


def signature_bytes(
    target: Descriptor,
    key: "PrivateKeyTypes",
    chain: Sequence["Certificate"],
    *,
    moment: datetime,
    expires_at: datetime | None = None,
    agent: str,
) -> bytes:
    """The envelope about `target` as the registry serves it; times in whole seconds, as the specification has them."""
    from cryptography.hazmat.primitives.serialization import Encoding

    expiry = {_EXPIRY: _second(expires_at)} if expires_at is not None else {}
    protected = {
        "alg": algorithm_of(chain[0].public_key()),
        "cty": PAYLOAD_TYPE,
        "crit": [_SCHEME, *expiry],
        _SCHEME: SCHEME,
        _TIME: _second(moment),
        **expiry,
    }
    payload = {"targetArtifact": {"mediaType": target.media_type, "digest": target.digest, "size": target.size}}
    first, second = (_encoded(msgspec.json.encode(each)) for each in (protected, payload))
    return msgspec.json.encode(
        {
            "payload": second,
            "protected": first,
            "header": {
                "x5c": [b64encode(each.public_bytes(Encoding.DER)).decode() for each in chain],
                "io.cncf.notary.signingAgent": agent,
            },
            "signature": _encoded(sign(f"{first}.{second}".encode(), key)),
        }
    )


def thumbprints(chain: Sequence["Certificate"]) -> str:
    """What verifiers know a chain by, for the annotation THUMBPRINTS."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return msgspec.json.encode([sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in chain]).decode()


def read_signature(raw: bytes) -> Signature:
    """Raises SignatureError for anything else than a JWS of Notary Project."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import InvalidVersion, load_der_x509_certificate

    try:
        found = read_shaped(raw, _Jws)
        protected = read_shaped(_decoded(found.protected), _Protected)
        target = read_shaped(_decoded(found.payload), _Payload).target
        if not 1 <= len(found.header.x5c) <= MOST_CERTIFICATES:
            raise SignatureError(f"a signature with {len(found.header.x5c)} certificates")
        chain = [load_der_x509_certificate(b64decode(each, validate=True)) for each in found.header.x5c]
        signature = _decoded(found.signature)
        chain[0].public_key()
        if not is_digest(target.digest):
            raise SignatureError("about no digest")
    except (ValueError, UnsupportedAlgorithm, InvalidVersion) as error:
        raise SignatureError(f"no Notary Project signature: {error!s:.200}") from error
    return Signature(
        target=Descriptor(media_type=target.media_type, digest=Digest(target.digest), size=target.size),
        said_at=moment_of(protected.said_at),
        expires_at=moment_of(protected.expires_at),
        chain=chain,
        algorithm=protected.alg,
        message=f"{found.protected}.{found.payload}".encode(),
        signature=signature,
        is_plain=(protected.cty, protected.scheme) == (PAYLOAD_TYPE, SCHEME) and {*protected.crit} <= {_SCHEME, _EXPIRY},
    )


def _second(moment: datetime) -> str:
    return iso(moment.replace(microsecond=0))


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Header(msgspec.Struct, frozen=True):
    x5c: tuple[str, ...]


class _Jws(msgspec.Struct, frozen=True):
    payload: str
    protected: str
    header: _Header
    signature: str


class _Protected(msgspec.Struct, frozen=True, rename={"scheme": _SCHEME, "said_at": _TIME, "expires_at": _EXPIRY}):
    alg: str
    cty: str
    crit: tuple[str, ...]
    scheme: str
    said_at: str = ""
    expires_at: str = ""


class _Target(msgspec.Struct, frozen=True, rename={"media_type": "mediaType"}):
    media_type: str
    digest: str
    size: int


class _Payload(msgspec.Struct, frozen=True, rename={"target": "targetArtifact"}):
    target: _Target
