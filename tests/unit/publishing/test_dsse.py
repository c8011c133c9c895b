"""Envelopes: what is signed to the byte, and what an independent program says of it."""

import contextlib
import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.keys import ed, openssl_verifies, openssl_verifies_raw, p256
from watcher.publishing.dsse import EnvelopeError, pae, read_envelope, signed
from watcher.publishing.signing_key import public_key, signing_key

KIND = "application/vnd.in-toto+json"


def test_what_is_signed_is_what_the_specification_says() -> None:
    """Its own example; lengths are of bytes, not of characters."""
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()


def test_openssl_verifies_ecdsa(tmp_path: Path) -> None:
    """DER over SHA-256 of the very bytes; of other bytes it does not."""
    pair = p256(tmp_path)
    written = json.loads(signed(b'{"a":1}', KIND, signing_key(pair.reference)))
    (signature,) = written["signatures"]
    message = b"DSSEv1 28 application/vnd.in-toto+json 7 " + b64decode(written["payload"])
    assert openssl_verifies(pair.public, message, b64decode(signature["sig"]))
    assert not openssl_verifies(pair.public, message + b" ", b64decode(signature["sig"]))


def test_openssl_verifies_ed25519(tmp_path: Path) -> None:
    pair = ed(tmp_path)
    envelope = read_envelope(signed(b'{"a":1}', KIND, signing_key(pair.reference)))
    (signature,) = envelope.signatures
    assert openssl_verifies_raw(pair.public, b'DSSEv1 28 application/vnd.in-toto+json 7 {"a":1}', signature)


@pytest.mark.parametrize("kind", [p256, ed])
def test_signing_again_changes_nothing(tmp_path: Path, kind: type) -> None:
    """What is published once more is the same artefact."""
    key = signing_key(kind(tmp_path).reference)
    assert signed(b"x", KIND, key) == signed(b"x", KIND, key)


@pytest.mark.parametrize("kind", [p256, ed])
def test_the_key_that_signed_is_found_among_several(tmp_path: Path, kind: type) -> None:
    """Whatever the envelope says of key ids."""
    pairs = [kind(tmp_path, name) for name in ("old", "new")]
    keys = [public_key(pair.public) for pair in pairs]
    raw = json.loads(signed(b"x", KIND, signing_key(pairs[1].reference)))
    raw["signatures"][0]["keyid"] = keys[0].hint
    assert read_envelope(json.dumps(raw).encode()).signer(keys) is keys[1]
    assert read_envelope(json.dumps(raw).encode()).signer(keys[:1]) is None


@pytest.mark.parametrize("change", [{"payload": b64encode(b"y").decode()}, {"payloadType": "text/plain"}, {"signatures": []}])
def test_what_was_changed_is_by_nobody(tmp_path: Path, change: dict[str, object]) -> None:
    pair = p256(tmp_path)
    raw = json.loads(signed(b"x", KIND, signing_key(pair.reference))) | change
    assert read_envelope(json.dumps(raw).encode()).signer([public_key(pair.public)]) is None


def test_both_alphabets_of_base64_are_read() -> None:
    """As the specification has it."""
    payload = bytes(range(256))
    raw = {"payloadType": KIND, "payload": urlsafe_b64encode(payload).decode(), "signatures": []}
    assert read_envelope(json.dumps(raw).encode()).payload == payload


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_none(raw: bytes) -> None:
    for content in (raw, json.dumps({"payloadType": "a", "payload": raw.decode("latin-1"), "signatures": []}).encode()):
        with contextlib.suppress(EnvelopeError):
            assert read_envelope(content).signatures == ()
