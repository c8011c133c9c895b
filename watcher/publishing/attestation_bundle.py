"""An attestation as a Sigstore bundle, as cosign 3 and Kyverno's ImageValidatingPolicy read it. Pure. A part of `attestation.py`.

Spec: sigstore/cosign BUNDLE_SPEC.md; sigstore/protobuf-specs `Bundle`, as protobuf's JSON.
"""

import msgspec

from watcher.model.foreign_json import read_shaped
from watcher.publishing.dsse import Envelope, EnvelopeError, read_envelope
from watcher.publishing.signing_key import PublicKey

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# Of any version: cosign takes every one for a signature.
BUNDLE_PREFIX = "application/vnd.dev.sigstore.bundle"


def bundle_bytes(envelope: bytes, key: PublicKey) -> bytes:
    """An envelope and which key it is by. No log has it: whoever reads it has to do without (`--insecure-ignore-tlog`)."""
    return msgspec.json.encode(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": key.hint}},
            "dsseEnvelope": msgspec.Raw(envelope),
        }
    )


def bundle_annotations(predicate_type: str, created: str) -> dict[str, str]:
    """What cosign looks for before it fetches a bundle."""
    return {
        "org.opencontainers.image.created": created,
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate_type,
    }


def read_bundle(raw: bytes) -> Envelope:
    """The envelope in a bundle. Raises EnvelopeError where there is none: it may hold a signature of another kind."""
    try:
        return read_envelope(bytes(read_shaped(raw, _Bundle).envelope))
    except ValueError as error:
        raise EnvelopeError(f"no Sigstore bundle: {error!s:.200}") from error


class _Bundle(msgspec.Struct, frozen=True, rename={"envelope": "dsseEnvelope"}):
    envelope: msgspec.Raw
