"""Bundles to the byte, as sigstore-js has verified them; `tests/golden/attestation/verify.cjs` asks it again.

Keys are made of fixed numbers and ECDSA is deterministic, so that what was verified once is what is written now.
"""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.doubles.verdicts import a_verdict
from watcher.model.digest import Digest
from watcher.model.verdict import Outcome
from watcher.publishing.attestation_bundle import bundle_bytes
from watcher.publishing.dsse import signed
from watcher.publishing.signing_key import SigningKey
from watcher.publishing.statement import PAYLOAD_TYPE, summary_bytes

GOLDEN = Path(__file__).parents[2] / "golden" / "attestation"
KEYS: dict[str, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey] = {
    "p256": ec.derive_private_key(20261130, ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
}


@pytest.mark.parametrize("name", KEYS)
def test_the_bundle_is_the_one_that_sigstore_verified(name: str) -> None:
    """With REGENERATE=1 it is written anew, and has to be verified again."""
    verdict, key = a_verdict(outcome=Outcome.PASS, findings=()), SigningKey(KEYS[name])
    digests = [verdict.subject.digest, Digest("sha256:" + "5" * 64)]
    bundle = bundle_bytes(signed(summary_bytes(verdict, digests, "urn:registry-watcher"), PAYLOAD_TYPE, key), key.public)
    files = {f"{name}.bundle.json": bundle, f"{name}.pub": key.public.pem.encode()}
    for file, content in files.items():
        if os.environ.get("REGENERATE"):
            (GOLDEN / file).write_bytes(content)
        assert (GOLDEN / file).read_bytes() == content
