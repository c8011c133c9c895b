"""The parts of dialects that `test_dialects_any_bytes` does not reach: mappings, envelopes in headers, package URLs, images."""

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from watcher.dialects.cdevents import CdeventsDialect
from watcher.dialects.cloudevents import CloudeventsDialect
from watcher.dialects.generic import GenericDialect, GenericMapping
from watcher.dialects.generic_path import parse_path
from watcher.dialects.image_name import split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Pushed
from watcher.model.reference import Host, parse_repository, parse_tag

HOST = Host("registry.example.com")
MAPPING = GenericMapping(
    events="$.events[*]",
    when={"$.ok": True},
    image="$.image",
    host="$.host",
    repository="$.a.repository",
    tag="$.tags[*]",
    digest='$["digest"]',
    media_type="$.a.type",
    actor="$.actor",
    occurred_at="$.at",
    event_id="$.id",
)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=10
)
names = st.from_regex(r"[a-z/._:@-]{0,30}", fullmatch=True)
mapped = st.fixed_dictionaries(
    {"ok": st.just(True) | anything},
    optional={
        "image": names | anything,
        "host": st.just("https://registry.example.com/x") | st.text(max_size=30) | anything,
        "a": st.fixed_dictionaries({}, optional={"repository": names | anything, "type": anything}) | anything,
        "tags": st.lists(names | anything, max_size=3) | anything,
        "digest": anything,
        "at": st.datetimes().map(str) | anything,
        "id": anything,
    },
)


@given(events=st.lists(mapped | anything, max_size=4))
def test_any_mapped_events_become_checked_decisions(events: list[Any]) -> None:
    """At least one for each event, and no value in a push that the specification does not allow."""
    body = json.dumps({"events": events}).encode()
    decisions = GenericDialect(MAPPING).read(Delivery(registry=HOST, headers={}, body=body))
    assert len(decisions) >= max(len(events), 1)
    for decision in decisions:
        if isinstance(decision, Pushed):
            push = decision.push
            assert push.registry == HOST
            assert parse_repository(push.repository) == push.repository
            assert push.tag is None or parse_tag(push.tag) == push.tag


@given(text=st.text(max_size=40) | st.from_regex(r"\$(\.\w*|\[[\w\"'*]*\])*", fullmatch=True))
def test_any_path_is_steps_or_a_mistake(text: str) -> None:
    """Never another exception."""
    with contextlib.suppress(ValueError):
        assert all(step is None or isinstance(step, str | int) for step in parse_path(text))


@given(
    headers=st.dictionaries(
        st.sampled_from(["ce-id", "ce-type", "ce-source", "ce-specversion", "ce-subject", "ce-time", "ce-x", "content-type"]),
        st.sampled_from(["1.0", "container.image.push", "application/json", "a/b:c", '"', '"\\'])
        | st.text(st.characters(), max_size=20),
    ),
    body=st.sampled_from([b"", b"{}", b"[]", b'{"repository": "a/b", "tag": "c"}']) | st.binary(max_size=20),
    method=st.sampled_from(["POST", "OPTIONS"]),
)
def test_any_headers_become_a_decision(headers: dict[str, str], body: bytes, method: str) -> None:
    """Also lone surrogates, which is how what is no UTF-8 arrives in a header."""
    assert CloudeventsDialect().read(Delivery(registry=HOST, headers=headers, body=body, method=method))


@given(purl=st.from_regex(r"pkg:(oci|docker)[/@?#%=&a-z0-9:.]{0,40}", fullmatch=True) | st.text(max_size=40))
def test_any_package_url_becomes_one_decision(purl: str) -> None:
    """Whatever it holds."""
    event = {"context": {"type": "dev.cdevents.artifact.published.1"}, "subject": {"id": purl}}
    assert len(CdeventsDialect().read(Delivery(registry=HOST, headers={}, body=json.dumps(event).encode()))) == 1


@given(text=st.text(max_size=60))
def test_any_image_is_taken_apart(text: str) -> None:
    """No part is an empty text that would mean something."""
    image = split_image(text)
    assert image.tag != ""
    assert image.digest != ""
