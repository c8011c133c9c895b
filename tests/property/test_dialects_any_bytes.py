"""Dialects read what strangers send: any bytes give decisions, never an exception, and a Push only of checked values."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.model.digest import parse_digest
from watcher.model.push import Decision, Pushed
from watcher.model.reference import Host, parse_repository, parse_tag

HOST = Host("registry.example.com")

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=20
)
digests = st.just("sha256:" + "1" * 64) | st.text(max_size=80)
targets = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from(["application/vnd.oci.image.manifest.v1+json", "", "application/octet-stream"]) | scalars,
        "repository": st.from_regex(r"[a-z/._-]{0,20}", fullmatch=True) | scalars,
        "digest": digests | scalars,
        "tag": st.text(max_size=130) | scalars,
        "url": st.text(max_size=40) | scalars,
    },
)
events = st.fixed_dictionaries(
    {"action": st.sampled_from(["push", "pull", "mount", "delete", ""]) | scalars, "target": targets | scalars},
    optional={
        "id": scalars,
        "timestamp": st.datetimes().map(str) | scalars,
        "actor": st.fixed_dictionaries({"name": scalars}) | scalars,
        "request": st.fixed_dictionaries({"host": st.just("registry.example.com") | st.text(max_size=30) | scalars}) | scalars,
    },
)


def read(name: str, body: bytes) -> Sequence[Decision]:
    return DIALECTS[name].read(Delivery(registry=HOST, headers={}, body=body))


def holds_what_is_promised(decisions: Sequence[Decision]) -> None:
    assert decisions
    for decision in decisions:
        if isinstance(decision, Pushed):
            push = decision.push
            assert push.registry == HOST
            assert parse_repository(push.repository) == push.repository
            assert push.digest is not None or push.tag is not None
            assert push.digest is None or parse_digest(push.digest) == push.digest
            assert push.tag is None or parse_tag(push.tag) == push.tag
            assert push.occurred_at is None or push.occurred_at.tzinfo is not None
            for text in (push.actor, push.media_type, push.event_id):
                assert text is None or text.encode()
        else:
            assert str(decision).isprintable()


@pytest.mark.parametrize("name", DIALECTS)
@given(body=st.binary(max_size=300))
@example(body=b'{"events":[{"action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json"}}]}')
def test_any_bytes_become_decisions(name: str, body: bytes) -> None:
    """At least one, and no exception."""
    holds_what_is_promised(read(name, body))


@pytest.mark.parametrize("name", DIALECTS)
@given(value=anything)
def test_any_json_becomes_decisions(name: str, value: Any) -> None:
    """The shape of an envelope is nobody's promise."""
    holds_what_is_promised(read(name, json.dumps(value).encode()))


@given(envelope=st.lists(events | anything, min_size=1, max_size=4))
def test_any_events_become_as_many_decisions(envelope: list[Any]) -> None:
    """One decision each, in order: a bad event never rejects its neighbours. NaN, the one exception, spoils the body."""
    body = json.dumps({"events": envelope}).encode()
    decisions = read("distribution", body)
    holds_what_is_promised(decisions)
    spoilt = b"NaN" in body or b"Infinity" in body
    assert spoilt or len(decisions) == len(envelope)
