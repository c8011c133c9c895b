"""What every dialect does with an event: texts kept or checked, times placed, one decision made of each. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from watcher.dialects.hosts import registry_named
from watcher.dialects.protocol import Delivery
from watcher.model.digest import is_digest, parse_digest
from watcher.model.errors import InvalidReferenceError
from watcher.model.image import IMAGE_CONFIG_TYPES, INDEX_TYPES, MANIFEST_TYPES, SCHEMA_1_TYPES
from watcher.model.moments import moment_of
from watcher.model.push import Decision, Deleted, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Host, parse_host, parse_repository, parse_tag
from watcher.model.strict_json import JsonBodyError, read_json

T = TypeVar("T")

# Senders put one or a few into a body, collectors a few hundred. What is beyond is counted as one rejection, not lost silently.
MAX_EVENTS = 1000
FORM = "application/x-www-form-urlencoded"
# A form of a sender has one field; what has more than this is not worth taking apart.
MAX_FORM_FIELDS = 100
PAYLOAD = b"payload="
# Free text of the sender (actor, id, media type): nothing real is longer, and it is kept.
MAX_TEXT = 256

# UTF-8's byte order mark, which some put before JSON. Spec: RFC 8259 section 8.1 lets a parser ignore it.
BOM = b"\xef\xbb\xbf"

# A schema 1 image runs, so its push is work: it ends in a verdict `unknown` because the format is not supported.
WORK_TYPES = MANIFEST_TYPES | INDEX_TYPES | SCHEMA_1_TYPES
_UNDOUBTED_TYPES = WORK_TYPES | IMAGE_CONFIG_TYPES

# Tags that clients derive from the digest of what an artefact refers to: the fallback of OCI distribution-spec v1.1 "Referrers
# Tag Schema", and cosign's.
_FALLBACK_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}")
_SIGNATURE_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}\.(?:sig|att|sbom)")


class EventError(Exception):
    """One event breaks its format: a low-cardinality reason and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def decided(delivery: Delivery, read: Callable[[Any], Sequence[Decision]]) -> Sequence[Decision]:
    """What `read` makes of the body's JSON; what cannot be read, and an EventError, is one rejection."""
    try:
        return read(body_json(delivery.body)) or [Ignored(reason="empty")]
    except JsonBodyError as error:
        return [Rejected(reason=error.reason, detail=str(error))]
    except EventError as error:
        return [Rejected(reason=error.reason, detail=str(error))]


def body_json(body: bytes) -> Any:
    """The value of a body, or of data that may be any sender's. Raises JsonBodyError."""
    return read_json(body.removeprefix(BOM))


def one_or_several(body: Any) -> list[Any]:
    """The events of a sender that has one in a body, also where something on the way has collected them."""
    return body if isinstance(body, list) else [body]


def payload_delivery(delivery: Delivery) -> Delivery:
    """The same with JSON as its body, where that came as the field `payload` of a form; what has no such field stays as it is.

    No JSON begins as such a form does, so one is known without its content type, which proxies and captures lose.
    """
    if bare_type(delivery.headers.get("content-type", "")) != FORM and not delivery.body.startswith(PAYLOAD):
        return delivery
    try:
        # Latin-1 there and back keeps every byte as it was sent.
        form = parse_qsl(
            delivery.body.decode("latin-1"), keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError:
        return delivery
    values = [value for name, value in form if name == "payload"]
    return replace(delivery, body=values[0].encode("latin-1", "replace")) if len(values) == 1 else delivery


def each_event(
    events: Sequence[Any], read: Callable[[dict[str, Any]], Decision], id_of: Callable[[dict[str, Any]], str | None]
) -> list[Decision]:
    """One decision per event, in order: an event that is wrong rejects itself and none of its neighbours."""
    decisions: list[Decision] = []
    for event in events[:MAX_EVENTS]:
        if not isinstance(event, dict):
            decisions.append(Rejected(reason="invalid-event", detail="an event is not an object"))
            continue
        try:
            decisions.append(read(event))
        except EventError as error:
            decisions.append(Rejected(reason=error.reason, detail=str(error), event_id=id_of(event)))
    if len(events) > MAX_EVENTS:
        detail = f"{len(events)} events in one body: the first {MAX_EVENTS} were read"
        decisions.append(Rejected(reason="too-many-events", detail=detail))
    return decisions


def pushed(
    delivery: Delivery,
    *,
    host: str | None,
    repository: Any,
    tag: Any = None,
    digest: Any = None,
    media_type: Any = None,
    actor: Any = None,
    occurred_at: datetime | None = None,
    event_id: str | None = None,
    doubt: str = "",
) -> Pushed:
    """A push, every part of it checked. `host` is the registry as the payload names it, None where it names none.

    `doubt` is the dialect's own; a tag that clients give to artefacts about other manifests, and a media type of nothing that runs,
    are doubted as well.

    Raises:
        EventError: `host-mismatch`, `no-digest`, `invalid-repository`, `invalid-digest` or `invalid-tag`.
    """
    registry, repository_text = _registry(delivery, host), present(repository, "repository")
    tag_text, digest_text = present(tag, "tag"), present(digest, "digest")
    if repository_text is None:
        raise EventError("invalid-repository", "the event names no repository")
    if digest_text is None and tag_text is None:
        raise EventError("no-digest", "the event names neither a digest nor a tag")
    push = Push(
        registry=registry,
        repository=_checked(parse_repository, repository_text, "invalid-repository"),
        tag=_checked(parse_tag, tag_text, "invalid-tag") if tag_text is not None else None,
        digest=_checked(parse_digest, digest_text, "invalid-digest") if digest_text is not None else None,
        media_type=text(media_type),
        actor=text(actor),
        occurred_at=occurred_at,
        event_id=event_id,
    )
    return Pushed(push=push, doubt=doubt or _doubt(tag_text) or type_doubt(media_type))


def deleted(
    delivery: Delivery, *, host: str | None, repository: Any, tag: Any = None, digest: Any = None, event_id: str | None = None
) -> Decision:
    """A removal; one that does not say of what, or of what is not ours, is only ignored."""
    try:
        place = pushed(delivery, host=host, repository=repository, tag=tag, digest=digest).push
    except EventError:
        return Ignored(reason="delete", event_id=event_id)
    return Deleted(registry=place.registry, repository=place.repository, tag=place.tag, digest=place.digest, event_id=event_id)


def object_of(value: Any) -> dict[str, Any]:
    """An object inside of an event; senders that know nothing write `{}`, null, or leave it out."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """A field that is only kept. What is not printable text, or longer than anything real, is dropped."""
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT or not value.isprintable():
        return None
    return value


def present(value: Any, name: str) -> str | None:
    """A field that decides something. Senders write `""` or null for what others leave out: all mean missing.

    Raises:
        EventError: `invalid-NAME`, it is there and not text.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise EventError(f"invalid-{name}", f"{name} is not text")
    return value


def digest_beside(tag: Any, value: Any) -> str | None:
    """A digest; None where it is none and there is a tag, which the registry is then asked for.

    Documentation and tests of senders invent digests, and registries may have algorithms that we do not know.
    """
    digest = present(value, "digest")
    return None if digest is not None and present(tag, "tag") is not None and not is_digest(digest) else digest


def moment(value: Any) -> datetime | None:
    """RFC 3339 with any number of fractional digits; a time that cannot be placed is dropped, it decides nothing."""
    written = text(value)
    return None if written is None else moment_of(written)


def unix_moment(value: Any) -> datetime | None:
    """Seconds since 1970, whole or not, also as text; dropped when it is no number or no time."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def bare_type(media_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def type_doubt(media_type: Any) -> str:
    """`artifact` for a type, of a manifest or of the configuration that some name in its place, of nothing that runs."""
    kind = bare_type(text(media_type) or "")
    return "artifact" if kind and kind not in _UNDOUBTED_TYPES else ""


def authority(url: Any) -> str | None:
    """`host[:port]` of a URL of any length, None where it has none. What is no URL comes back as it is, to match no host."""
    if not isinstance(url, str):
        return None
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or None
    except ValueError:
        return url


def _registry(delivery: Delivery, host: str | None) -> Host:
    """That of the source's registries which is meant. A payload that is read by hand, without one, is believed about its own."""
    if not delivery.registry:
        return _checked(parse_host, host, "invalid-host") if host else Host("")
    bound = ", ".join((delivery.registry, *delivery.further))
    if host is None:
        if delivery.further:
            raise EventError("host-missing", f"the event names no registry, and the source is bound to several: {bound}")
        return delivery.registry
    registry = registry_named(host, delivery)
    if registry is None:
        raise EventError("host-mismatch", f"the event is about {host!r:.100}, the source is bound to {bound}")
    return registry


def _checked(parse: Callable[[str], T], value: str, reason: str) -> T:
    try:
        return parse(value)
    except InvalidReferenceError as error:
        raise EventError(reason, str(error)) from error


def _doubt(tag: str | None) -> str:
    if tag is None:
        return ""
    if _SIGNATURE_TAG.fullmatch(tag):
        return "signature-tag"
    return "referrers-fallback-tag" if _FALLBACK_TAG.fullmatch(tag) else ""
