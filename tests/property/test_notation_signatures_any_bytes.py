"""Whatever somebody attaches as a Notary Project signature is one, or refused; and none counts that was changed."""

import json
import warnings
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.notaries import issued
from watcher.model.digest import Digest
from watcher.model.image import Descriptor
from watcher.publishing.notation_envelope import SignatureError, read_signature, signature_bytes
from watcher.publishing.notation_trust import Trusted, problem_of

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ROOT = issued("root", ca=True)
LEAF = issued("leaf", ROOT)
TARGET = Descriptor(media_type="a/b", digest=Digest(f"sha256:{'0' * 64}"), size=1)
ENVELOPE = signature_bytes(TARGET, LEAF.key, [LEAF.certificate, ROOT.certificate], moment=NOW, agent="x")
BY_ROOT = Trusted(certificates=[ROOT.certificate])
BY_KEY = Trusted(key=LEAF.key.public_key())
# Where, and what is there instead.
CHANGE = st.tuples(st.integers(min_value=0, max_value=5000), st.integers(min_value=0, max_value=255))
CHANGES = st.lists(CHANGE, min_size=1, max_size=4)


def changed(raw: bytes, changes: list[tuple[int, int]]) -> bytes:
    found = bytearray(raw)
    for place, value in changes:
        found[place % len(found)] = value
    return bytes(found)


def counts(raw: bytes) -> list[bool]:
    """By the root, and by the key; both false for what is refused."""
    with warnings.catch_warnings():
        # Of certificates that break rules that nobody holds yet.
        warnings.simplefilter("ignore")
        try:
            signature = read_signature(raw)
        except SignatureError:
            return [False, False]
        assert isinstance(problem_of(signature, NOW), str)
        return [each.has_signed(signature) for each in (BY_ROOT, BY_KEY)]


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    assert counts(raw) == [False, False]


@given(CHANGES)
def test_any_change(changes: list[tuple[int, int]]) -> None:
    """Only what is signed by nobody can change: the agent, and how the JSON is written."""
    raw = changed(ENVELOPE, changes)
    if any(counts(raw)):
        assert all(json.loads(ENVELOPE)[each].encode() in raw for each in ("payload", "protected"))


@given(CHANGES, st.integers(min_value=0, max_value=1))
def test_any_certificate(changes: list[tuple[int, int]], place: int) -> None:
    """A chain that is not the one that the root issued is not by the root."""
    found: dict[str, Any] = json.loads(ENVELOPE)
    before = b64decode(found["header"]["x5c"][place])
    after = changed(before, changes)
    found["header"]["x5c"][place] = b64encode(after).decode()
    by_root, _ = counts(json.dumps(found).encode())
    assert by_root == (after == before)
