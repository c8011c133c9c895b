import json
from typing import Any

import pytest

from watcher.dialects.catalog import DIALECTS
from watcher.dialects.fields import MAX_EVENTS
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Deleted, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host, RepositoryName, Tag

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DIGEST = "sha256:" + "1" * 64


def read(body: bytes, *, registry: str = "127.0.0.1:18990", aliases: frozenset[str] = frozenset()) -> list[Decision]:
    delivery = Delivery(registry=Host(registry), headers={}, body=body, aliases=aliases)
    return list(DIALECTS["distribution"].read(delivery))


def event(**changes: Any) -> dict[str, Any]:
    target = {"mediaType": MANIFEST, "repository": "team/app", "digest": DIGEST, "tag": "v1"} | changes.pop("target", {})
    return {"id": "e1", "action": "push", "target": target, "request": {"host": "registry.example.com"}} | changes


def one(changed: Any, **options: Any) -> Decision:
    (decision,) = read(json.dumps({"events": [changed]}).encode(), **options)
    return decision


@pytest.mark.parametrize(
    ("registry", "aliases", "named", "accepted"),
    [
        ("registry.example.com", (), "registry.example.com", True),
        ("registry.example.com", (), "REGISTRY.example.com.:443", True),
        ("registry.example.com", (), "other.example.com", False),
        ("registry.example.com", ("registry.internal",), "registry.internal:5000", True),
        ("registry.example.com", ("*",), "anything", True),
        ("localhost:5000", (), "127.0.0.1:5000", True),
        ("127.0.0.1:5000", (), "[::1]:5000", True),
        ("localhost:5000", (), "10.0.0.1:5000", False),
        ("registry.example.com", (), "localhost:5000", False),
        ("[2001:db8::1]:5000", (), "[2001:0db8:0::1]:5000", True),
        ("", (), "anything", True),
    ],
)
def test_an_event_about_another_registry_is_rejected(registry: str, aliases: tuple[str, ...], named: str, accepted: bool) -> None:
    """The host is compared with the source's, ports and spellings aside; it is never taken over."""
    decision = one(event(request={"host": named}), registry=registry, aliases=frozenset(aliases))
    if accepted:
        assert isinstance(decision, Pushed)
        assert decision.push.registry == (registry or named)
    else:
        assert isinstance(decision, Rejected)
        assert decision.reason == "host-mismatch"


def test_the_url_tells_the_host_only_where_the_request_does_not() -> None:
    """A proxy that rewrites the one need not rewrite the other."""
    foreign = {"url": "https://user@other.example.com/v2/team/app/manifests/v1"}
    assert isinstance(one(event(target=foreign), registry="registry.example.com"), Pushed)
    decision = one(event(target=foreign, request={}), registry="registry.example.com")
    assert isinstance(decision, Rejected)
    assert decision.reason == "host-mismatch"
    assert isinstance(one(event(request={}), registry="registry.example.com"), Pushed)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target": {"digest": "sha256:" + "1" * 63}}, "invalid-digest"),
        ({"target": {"digest": "sha256:" + "A" * 64}}, "invalid-digest"),
        ({"target": {"digest": "md5:" + "1" * 32}}, "invalid-digest"),
        ({"target": {"digest": 7}}, "invalid-digest"),
        ({"target": {"repository": "team/../app"}}, "invalid-repository"),
        ({"target": {"repository": "Team/App"}}, "invalid-repository"),
        ({"target": {"repository": ""}}, "invalid-repository"),
        ({"target": {"repository": ["team"]}}, "invalid-repository"),
        ({"target": {"tag": "-x"}}, "invalid-tag"),
        ({"target": {"tag": "a" * 129}}, "invalid-tag"),
        ({"target": {"tag": {}}}, "invalid-tag"),
        ({"target": {"tag": "", "digest": ""}}, "no-digest"),
        ({"action": ""}, "no-action"),
        ({"action": ["push"]}, "no-action"),
    ],
)
def test_what_breaks_the_grammar_is_rejected_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    """Only checked values reach a Push; the event's id is kept so that a repetition is known."""
    decision = one(event(**changes), registry="registry.example.com")
    assert isinstance(decision, Rejected)
    assert (decision.reason, decision.event_id) == (reason, "e1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"action": "pull"}, "pull"),
        ({"action": "mount"}, "mount"),
        ({"action": "delete", "target": {"digest": "", "tag": ""}}, "delete"),
        ({"action": "rename"}, "other-action"),
        ({"target": {"mediaType": "application/octet-stream"}}, "blob"),
        ({"target": {"mediaType": "", "tag": ""}}, "blob"),
        ({"target": None}, "blob"),
    ],
)
def test_what_is_no_work_is_ignored_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    """Pulls, mounts, blobs and deletes of a whole repository; our own reads cause pulls, so anything else would be a loop."""
    built = event(**{name: value for name, value in changes.items() if value is not None})
    if changes.get("target", {}) is None:
        built["target"] = None
    decision = one(built, registry="registry.example.com")
    assert isinstance(decision, Ignored)
    assert decision.reason == reason


@pytest.mark.parametrize("target", [{"tag": "v1"}, {"tag": ""}, {"digest": "", "tag": "v1", "mediaType": ""}])
def test_a_delete_says_what_is_gone(target: dict[str, Any]) -> None:
    """A tag, a manifest, or both, so that what is not found here any more is known to be no loss."""
    decision = one(event(action="delete", target=target), registry="registry.example.com")
    assert isinstance(decision, Deleted)
    named = {"digest": event()["target"]["digest"]} | target
    assert (decision.tag or "", decision.digest or "") == (named["tag"], named["digest"])
    assert (decision.registry, decision.repository, decision.event_id) == ("registry.example.com", "team/app", "e1")


def test_the_least_that_a_push_says_is_enough() -> None:
    """What decides is in the target; without a host the event is about the registry that the source is bound to."""
    least = {"action": "push", "target": {"repository": "team/app", "tag": "v1"}, "source": {"addr": "other.example.com:5000"}}
    decision = one(least, registry="registry.example.com")
    assert isinstance(decision, Pushed)
    assert decision.push == Push(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), tag=Tag("v1"))


def test_a_tag_without_a_media_type_is_a_manifest() -> None:
    """Nothing else can have a tag, and an image must not slip through for want of a field."""
    assert isinstance(one(event(target={"mediaType": ""}), registry="registry.example.com"), Pushed)


@pytest.mark.parametrize("media_type", [f"{MANIFEST}; charset=utf-8", MANIFEST.upper(), "application/vnd.example.image+json"])
def test_a_tag_on_any_json_is_a_manifest(media_type: str) -> None:
    """A media type that is written differently, or that nobody knows yet, exempts nothing."""
    assert isinstance(one(event(target={"mediaType": media_type}), registry="registry.example.com"), Pushed)


@pytest.mark.parametrize(("path", "pushed"), [("manifests", True), ("blobs", False)])
def test_the_url_tells_a_manifest_where_nothing_else_does(path: str, pushed: bool) -> None:
    """It is built by the registry, from what it stored."""
    target = {"mediaType": "", "tag": "", "url": f"https://registry.example.com/v2/team/app/{path}/{DIGEST}"}
    assert isinstance(one(event(target=target), registry="registry.example.com"), Pushed) is pushed


def test_a_fallback_tag_exempts_nothing() -> None:
    """Whoever pushes chooses the tag, so an image under the tag of a referrers list is judged like any other."""
    decision = one(event(target={"tag": "sha256-" + "1" * 64}), registry="registry.example.com")
    assert isinstance(decision, Pushed)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "invalid-json"),
        (b"<html>", "invalid-json"),
        (b"\xff\xfe{}", "invalid-json"),
        (b'{"events": [' + b"9" * 5000 + b"]}", "invalid-json"),
        (b'{"events": NaN}', "non-finite-number"),
        (b'{"events": -Infinity}', "non-finite-number"),
        (b'{"events": 1e400}', "non-finite-number"),
        (b'{"events": [], "events": []}', "duplicate-key"),
        (b"[" * 100_000, "too-deep"),
        (b"[" * 500 + b"]" * 500, "too-deep"),
        (b"[]", "no-events"),
        (b"{}", "no-events"),
        (b'{"events": {}}', "no-events"),
        (b'{"events": [7]}', "invalid-event"),
    ],
)
def test_a_body_that_is_no_envelope_is_one_rejection(body: bytes, reason: str) -> None:
    """One decision with a reason that a metric can hold, whatever arrives."""
    (decision,) = read(body)
    assert isinstance(decision, Rejected)
    assert decision.reason == reason


def test_an_empty_envelope_is_ignored() -> None:
    """Nothing happened, and that is said."""
    assert read(b'{"events": []}') == [Ignored(reason="empty")]


def test_a_flood_in_one_body_is_cut() -> None:
    """The first thousand are decided, the rest is one rejection that says how many there were."""
    decisions = read(json.dumps({"events": [event()] * (MAX_EVENTS + 5)}).encode(), registry="registry.example.com")
    assert [type(decision) for decision in decisions] == [Pushed] * MAX_EVENTS + [Rejected]
    last = decisions[-1]
    assert isinstance(last, Rejected)
    assert (last.reason, "1005 events" in last.detail) == ("too-many-events", True)


@pytest.mark.parametrize("text", ["x" * 300, "a\nb", "\ud800", 7, None])
def test_text_that_decides_nothing_is_dropped_when_it_is_strange(text: object) -> None:
    """An actor, an id or a time is no reason to lose a push."""
    decision = one(event(id=text, actor={"name": text}, timestamp=text), registry="registry.example.com")
    assert isinstance(decision, Pushed)
    assert (decision.push.event_id, decision.push.actor, decision.push.occurred_at) == (None, None, None)


@pytest.mark.parametrize("moment", ["2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "now"])
def test_a_time_that_cannot_be_placed_is_dropped(moment: str) -> None:
    """No zone, no such month, before the first year: the event is taken without it."""
    decision = one(event(timestamp=moment), registry="registry.example.com")
    assert isinstance(decision, Pushed)
    assert decision.push.occurred_at is None
