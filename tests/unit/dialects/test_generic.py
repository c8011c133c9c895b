"""Events that the configuration describes."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from watcher.dialects.generic import GenericDialect, GenericMapping
from watcher.dialects.generic_path import EACH, parse_path, select
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored, Pushed, Rejected
from watcher.model.reference import Host

DIGEST = "sha256:" + "a" * 64


def read(body: Any, registry: str = "", **mapping: Any) -> Sequence[Decision]:
    dialect = GenericDialect(msgspec.convert(mapping, GenericMapping))
    return dialect.read(Delivery(registry=Host(registry), headers={}, body=json.dumps(body).encode()))


def place(decision: Decision) -> tuple[str | None, ...]:
    assert isinstance(decision, Pushed), decision
    push = decision.push
    return push.registry, push.repository, push.tag, push.digest


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("$.a.b_1", ("a", "b_1")),
        ("$.a[0]", ("a", 0)),
        ('$["a-b"][12]', ("a-b", 12)),
        ("$['a.b [c]'].é", ("a.b [c]", "é")),
        ("$.events[*].tags[*]", ("events", EACH, "tags", EACH)),
        ('$[""]', ("",)),
    ],
)
def test_a_path_is_a_part_of_jsonpath(path: str, steps: tuple[Any, ...]) -> None:
    """RFC 9535, without what can be slow or surprising."""
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    "path", ["", "a.b", "$.", "$..a", "$.a-b", "$[-1]", "$[0:2]", "$[?@.a]", "$.*", "$.a ", '$["a"', "$[a]", "$a"]
)
def test_what_is_no_path_is_a_mistake_in_the_configuration(path: str) -> None:
    """Said when it is read, with the field and the character."""
    with pytest.raises(msgspec.ValidationError, match=r"tag: .*(must begin with|at character)"):
        read({}, repository="$.a", tag=path)


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({}, "image or repository is needed"),
        ({"repository": "$.a[*]"}, r"repository: .* only events, tag and when take \[\*\]"),
        ({"repository": "$.a", "when": {"action": "push"}}, "when: 'action' is no path"),
        ({"repository": "$.a", "when": {"$.a": []}}, "when: .* no value"),
        ({"repository": "$.a", "repo": "$.b"}, "unknown field `repo`"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(mapping: dict[str, Any], complaint: str) -> None:
    """Before the first event, not by it."""
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(mapping, GenericMapping)


def test_a_path_finds_what_is_there() -> None:
    """In the order of the document, and nothing where a step leads nowhere or the value is of another shape."""
    value = {"a": [{"b": 1}, {}, {"b": None}, 7]}
    assert select(value, parse_path("$.a[*].b")) == [1, None]
    assert select(value, parse_path("$.a[9]")) == []
    assert select(value, parse_path("$.a.b")) == []
    assert select(value, parse_path("$[0]")) == []


def test_an_image_in_one_text() -> None:
    """What other paths find comes before its parts."""
    body = {"name": f"registry.example.com/team/app:v1@{DIGEST}", "tag": "v2"}
    assert [place(each) for each in read(body, image="$.name")] == [("registry.example.com", "team/app", "v1", DIGEST)]
    assert [place(each) for each in read(body, image="$.name", tag="$.tag")] == [("registry.example.com", "team/app", "v2", DIGEST)]


def test_an_image_without_a_host_belongs_to_the_source() -> None:
    """And one with another is rejected."""
    assert [place(each) for each in read({"i": "team/app:v1"}, "r.example", image="$.i")] == [("r.example", "team/app", "v1", None)]
    (decision,) = read({"i": "evil.example/team/app:v1"}, "r.example", image="$.i")
    assert isinstance(decision, Rejected)
    assert decision.reason == "host-mismatch"


def test_each_tag_is_a_push_with_an_id_of_its_own() -> None:
    """With one id for all, the second tag would be taken for a repetition of the first."""
    body = {"id": 9, "repo": "team/app", "tags": ["a", "b", 7]}
    first, second, broken = read(body, repository="$.repo", tag="$.tags[*]", event_id="$.id")
    assert [place(each)[2] for each in (first, second)] == ["a", "b"]
    ids = {each.push.event_id for each in (first, second) if isinstance(each, Pushed)}
    assert ids == {"9/a", "9/b"}
    assert isinstance(broken, Rejected)
    assert broken.reason == "invalid-tag"


@pytest.mark.parametrize("events", ["$.events", "$.events[*]", "$.groups[*].events[*]"])
def test_events_are_one_or_a_list(events: str) -> None:
    """A list that is empty is nothing new; one that is not there is another format, which an operator has to see."""
    listed = [{"r": "a", "t": "1"}, {"r": "b", "t": "2"}]
    mapping = {"events": events, "repository": "$.r", "tag": "$.t"}
    body = {"events": listed, "groups": [{"events": listed[:1]}, {}, {"events": listed[1:]}]}
    assert [place(each)[1] for each in read(body, **mapping)] == ["a", "b"]
    assert read({"events": [], "groups": []}, **mapping) == [Ignored(reason="empty")]
    (decision,) = read({"event": listed[0]}, **mapping)
    assert isinstance(decision, Rejected)
    assert decision.reason == "no-events"


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ({"action": "push", "ok": True}, True),
        ({"action": "retag", "ok": True}, True),
        ({"action": "push", "ok": 1}, False),
        ({"action": "push"}, False),
        ({"action": "pull", "ok": True}, False),
        ({"action": ["push"], "ok": True}, False),
    ],
)
def test_only_events_with_the_wanted_values_are_read(event: dict[str, Any], wanted: bool) -> None:
    """All of the conditions, each with one value or one of several; as in JSON, true is not 1."""
    when = {"$.action": ["push", "retag"], "$.ok": True}
    (decision,) = read({**event, "r": "a", "t": "1"}, repository="$.r", tag="$.t", when=when)
    assert isinstance(decision, Pushed) is wanted
    assert wanted or decision == Ignored(reason="other-event")


@pytest.mark.parametrize(
    ("value", "event_id"), [("x", "x"), (7, "7"), (True, None), (2**70, None), ("", None), ({}, None), (1.5, None)]
)
def test_an_id_is_text_or_a_number(value: Any, event_id: str | None) -> None:
    """What is neither decides nothing: the body is then what a repetition is recognised by."""
    (decision,) = read({"r": "a", "t": "1", "id": value}, repository="$.r", tag="$.t", event_id="$.id")
    assert isinstance(decision, Pushed)
    assert decision.push.event_id == event_id
