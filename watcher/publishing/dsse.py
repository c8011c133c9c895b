"""Signed envelopes. Pure.

Spec: DSSE v1.0.2, protocol and envelope (https://github.com/secure-systems-lab/dsse).
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from watcher.model.errors import PermanentError
from watcher.model.foreign_json import read_shaped
from watcher.publishing.signing_key import PublicKey, SigningKey

ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"
# A verdict of ten thousand findings is a few MiB; what is larger was not written by us.
MAX_ENVELOPE_BYTES = 16 * 1024 * 1024


# Checking one takes a moment, and whoever may push writes as many as he likes; more than a few have not been seen.
MAX_SIGNATURES = 16


class EnvelopeError(PermanentError):
    """The bytes are no envelope."""

    reason = "invalid-envelope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """`payload` are the bytes that were signed: nobody writes them anew."""

    payload_type: str
    payload: bytes
    signatures: tuple[bytes, ...]

    def signer(self, keys: Sequence[PublicKey]) -> PublicKey | None:
        """The first of the keys that one of MAX_SIGNATURES is by. Key ids are hints that anybody can write, and are not read."""
        message = pae(self.payload_type, self.payload)
        return next((key for key in keys if any(key.verifies(message, each) for each in self.signatures[:MAX_SIGNATURES])), None)


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed. Spec: DSSE "PAE definition"; lengths are of bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def signed(payload: bytes, payload_type: str, key: SigningKey) -> bytes:
    """The envelope as JSON. The key id is empty, as cosign writes it: which key it was is said where the envelope is kept."""
    signature = {"keyid": "", "sig": b64encode(key.sign(pae(payload_type, payload))).decode()}
    return msgspec.json.encode({"payloadType": payload_type, "payload": b64encode(payload).decode(), "signatures": [signature]})


def read_envelope(raw: bytes) -> Envelope:
    """Raises EnvelopeError for anything else."""
    try:
        found = read_shaped(raw, _Envelope)
        return Envelope(
            payload_type=found.payload_type,
            payload=_decoded(found.payload),
            signatures=tuple(_decoded(each.sig) for each in found.signatures),
        )
    except ValueError as error:  # msgspec's errors and those of base64 are such
        raise EnvelopeError(f"no DSSE envelope: {error!s:.200}") from error


def _decoded(text: str) -> bytes:
    """Standard or URL-safe base64, as the specification has readers take both."""
    return b64decode(text.translate(_STANDARD), validate=True)


_STANDARD = str.maketrans("-_", "+/")


class _Signature(msgspec.Struct, frozen=True):
    sig: str


class _Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    payload_type: str
    payload: str
    signatures: tuple[_Signature, ...]
