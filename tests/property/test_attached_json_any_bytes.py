"""Whatever somebody attaches to an image, or a service answers, is what it should be, or refused by an error of ours."""

import contextlib
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.errors import PermanentError
from watcher.model.foreign_json import read_shaped
from watcher.publishing.attestation_bundle import read_bundle
from watcher.publishing.dsse import read_envelope
from watcher.publishing.notation_envelope import read_signature
from watcher.publishing.statement import read_summary

Reader = Callable[[bytes], object]
READERS = (read_bundle, read_envelope, read_signature, read_summary)
# What each reader has inside of something else, and what it passes over.
PLACES = (
    "{}",
    '{{"x":{}}}',
    '{{"dsseEnvelope":{}}}',
    '{{"dsseEnvelope":{{"payloadType":"","payload":"","signatures":[],"x":{}}}}}',
    '{{"_type":"","subject":[],"predicateType":"","predicate":{}}}',
    '{{"payload":"","protected":"","header":{{"x5c":[],"x":{}}},"signature":""}}',
)


def refused(read: Reader, raw: bytes) -> bool:
    with contextlib.suppress(PermanentError):
        read(raw)
        return False
    return True


@pytest.mark.parametrize("read", READERS)
@given(raw=st.binary(max_size=200))
def test_any_bytes(read: Reader, raw: bytes) -> None:
    assert refused(read, raw)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("place", PLACES)
@given(
    depth=st.sampled_from([1, 63, 500, 1100, 5_000, 200_000]),
    brackets=st.sampled_from([("[", "]"), ('{"a":', "}"), ("[", ""), ('{"":', "")]),
)
def test_any_depth(read: Reader, place: str, depth: int, brackets: tuple[str, str]) -> None:
    """However deep it nests, and wherever."""
    nested = brackets[0] * depth + ("0" if brackets[1] else "") + brackets[1] * depth
    with contextlib.suppress(PermanentError):
        read(place.format(nested).encode())


@given(place=st.sampled_from(["protected", "payload"]), depth=st.sampled_from([1100, 100_000]))
def test_any_depth_of_what_is_signed(place: str, depth: int) -> None:
    """A JWS and an envelope have JSON in base64."""
    deep = b'{"x":' + b"[" * depth + b"]" * depth + b"}"
    jws = {"payload": "e30", "protected": "e30", "header": {"x5c": []}, "signature": ""} | {place: urlsafe_b64encode(deep).decode()}
    assert refused(read_signature, json.dumps(jws).encode())
    envelope = {"payloadType": "", "payload": b64encode(deep).decode(), "signatures": []}
    assert refused(read_summary, read_envelope(json.dumps(envelope).encode()).payload)


@given(st.binary(max_size=100) | st.integers(1, 100_000).map(lambda depth: b"[" * depth))
def test_any_shape(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(read_shaped(raw, dict[str, int]), dict)
