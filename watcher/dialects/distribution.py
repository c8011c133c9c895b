"""CNCF Distribution (docker-registry 2.x, registry 3.x) notifications.

Format: `{"events": [...]}`, `application/vnd.docker.distribution.events.v1+json` in 2.x and `…v2+json` since 3.0; the two differ in
nothing we read. In practice one event a request, by the format many. https://distribution.github.io/distribution/about/notifications/
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from watcher.dialects.hosts import is_the_source
from watcher.dialects.json_body import JsonBodyError, read_json
from watcher.dialects.protocol import Delivery
from watcher.model.digest import parse_digest
from watcher.model.errors import InvalidReferenceError
from watcher.model.image import INDEX_TYPES, MANIFEST_TYPES
from watcher.model.push import Decision, Ignored, Push, Pushed, Rejected
from watcher.model.reference import parse_repository, parse_tag

# 2.x and 3.x send one; whoever collects them stays far below this. What is beyond is counted as one rejection, not lost silently.
MAX_EVENTS = 1000
# Free text of the sender (actor, id, media type): nothing real is longer, and it is kept.
MAX_TEXT = 256

# A schema 1 image runs, so its push is work: it ends in a verdict `unknown` because the format is not supported.
SCHEMA1_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
WORK_TYPES = MANIFEST_TYPES | INDEX_TYPES | SCHEMA1_TYPES

IGNORED_ACTIONS = frozenset({"pull", "mount", "delete"})


class _EventError(Exception):
    """One event breaks the format: a low-cardinality reason and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class DistributionDialect:
    """Reads an envelope. Whether a manifest is an image or one of our own referrers is not decided here but by its content."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        try:
            body = read_json(delivery.body)
        except JsonBodyError as error:
            return [Rejected(reason=error.reason, detail=str(error))]
        events = body.get("events") if isinstance(body, dict) else None
        if not isinstance(events, list):
            return [Rejected(reason="no-events", detail='expected {"events": [...]}')]
        if not events:
            return [Ignored(reason="empty")]
        decisions = [_decide(event, delivery) for event in events[:MAX_EVENTS]]
        if len(events) > MAX_EVENTS:
            detail = f"{len(events)} events in one body: the first {MAX_EVENTS} were read"
            decisions.append(Rejected(reason="too-many-events", detail=detail))
        return decisions


def _decide(event: Any, delivery: Delivery) -> Decision:
    if not isinstance(event, dict):
        return Rejected(reason="invalid-event", detail="an event is not an object")
    event_id = _text(event.get("id"))
    try:
        return _read(event, delivery, event_id)
    except _EventError as error:
        return Rejected(reason=error.reason, detail=str(error), event_id=event_id)


def _read(event: dict[str, Any], delivery: Delivery, event_id: str | None) -> Decision:
    action = event.get("action")
    if not isinstance(action, str) or not action:
        raise _EventError("no-action", "the event has no action")
    if action != "push":
        return Ignored(reason=action if action in IGNORED_ACTIONS else "other-action", event_id=event_id)
    target = _object(event.get("target"))
    media_type = _text(target.get("mediaType"))
    tag_text = _present(target, "tag", "invalid-tag")
    # Only a manifest can have a tag; a blob is pushed as application/octet-stream or as a type of layer.
    if media_type not in WORK_TYPES and (media_type is not None or tag_text is None):
        return Ignored(reason="blob", event_id=event_id)
    repository_text = _present(target, "repository", "invalid-repository")
    digest_text = _present(target, "digest", "invalid-digest")
    if repository_text is None:
        raise _EventError("invalid-repository", "the event names no repository")
    if digest_text is None and tag_text is None:
        raise _EventError("no-digest", "the event names neither a digest nor a tag")
    try:
        repository = parse_repository(repository_text)
    except InvalidReferenceError as error:
        raise _EventError("invalid-repository", str(error)) from error
    try:
        digest = parse_digest(digest_text) if digest_text is not None else None
    except InvalidReferenceError as error:
        raise _EventError("invalid-digest", str(error)) from error
    try:
        tag = parse_tag(tag_text) if tag_text is not None else None
    except InvalidReferenceError as error:
        raise _EventError("invalid-tag", str(error)) from error
    _check_host(event, target, delivery)
    return Pushed(
        push=Push(
            registry=delivery.registry,
            repository=repository,
            tag=tag,
            digest=digest,
            media_type=media_type,
            actor=_text(_object(event.get("actor")).get("name")),
            occurred_at=_moment(event.get("timestamp")),
            event_id=event_id,
        )
    )


def _check_host(event: dict[str, Any], target: dict[str, Any], delivery: Delivery) -> None:
    """Refuse an event about another registry. `target.url` counts only where the request's host is missing: proxies rewrite it."""
    named = _text(_object(event.get("request")).get("host")) or _authority(_text(target.get("url")))
    if named is not None and not is_the_source(named, delivery):
        raise _EventError("host-mismatch", f"the event is about {named!r:.100}, the source is bound to {delivery.registry}")


def _authority(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or None
    except ValueError:
        return url


def _object(value: Any) -> dict[str, Any]:
    """Distribution writes `{}` where it knows nothing; others leave it out or write null."""
    return value if isinstance(value, dict) else {}


def _present(target: dict[str, Any], name: str, reason: str) -> str | None:
    """A field that decides something. Version 3 writes `""` for what version 2 leaves out: both mean missing."""
    value = target.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _EventError(reason, f"target.{name} is not text")
    return value


def _text(value: Any) -> str | None:
    """A field that is only kept. What is not printable text, or longer than anything real, is dropped."""
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        return None
    return value


def _moment(value: Any) -> datetime | None:
    """RFC 3339 with any number of fractional digits; a time that cannot be placed is dropped, it decides nothing."""
    text = _text(value)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
