"""Events of senders that nobody wrote a dialect for: the configuration says where the fields are. Pure.

A path is a small part of JSONPath (RFC 9535): `$` is where it begins, then any number of `.name`, `["any name"]` and `[0]`, and, in
`events`, `tag` and `when` only, `[*]` for every element of a list.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from watcher.dialects.fields import EventError, authority, decided, each_event, moment, present, pushed, text, unix_moment
from watcher.dialects.generic_path import EACH, parse_path, select
from watcher.dialects.image_name import split_image
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored

# Ids that are numbers are rows of a database.
MAX_NUMBER = 2**64
Scalar = str | int | bool
_PATHS = ("events", "image", "host", "repository", "tag", "digest", "media_type", "actor", "occurred_at", "event_id")


class GenericMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the fields are. All paths but `events` begin at one event; a field that is not there, or null, is missing."""

    events: str = "$"  # the events of a body: one, or a list of them (`$.events`, `$.a[*].b`)
    # Only events that have these values are read, the others are ignored: {"$.action": push, "$.kind": [image, index]}. One of
    # the values of a list has to be there.
    when: dict[str, Scalar | tuple[Scalar, ...]] = {}
    image: str | None = None  # `[HOST/]REPOSITORY[:TAG][@DIGEST]` in one text; what the other paths find comes before its parts
    host: str | None = None  # the registry, as host or URL: an event about another than the source's is rejected
    repository: str | None = None  # `team/app`; this or `image` is needed
    tag: str | None = None  # one tag, or with `[*]` several, each of which is a push
    digest: str | None = None  # `sha256:…`
    media_type: str | None = None  # of the manifest
    actor: str | None = None  # who pushed
    occurred_at: str | None = None  # when: RFC 3339, or seconds since 1970
    # The same whenever the sender repeats itself. Without it, and without a time, equal bodies within ten minutes are one delivery.
    event_id: str | None = None

    def __post_init__(self) -> None:
        for name in _PATHS:
            if (path := getattr(self, name)) is not None:
                _check(name, path)
        for path, wanted in self.when.items():
            _check("when", path)
            if wanted == ():
                raise ValueError(f"when: {path!r:.100} has no value, so that no event could have it")
        if self.image is None and self.repository is None:
            raise ValueError("image or repository is needed: nothing else says where the pushed image is")


class GenericDialect:
    """Reads what `mapping` points at. Without one nothing can be read, and every body is rejected."""

    def __init__(self, mapping: GenericMapping | None = None) -> None:
        given = {} if mapping is None else {name: getattr(mapping, name) for name in _PATHS}
        self._paths = {name: parse_path(path) for name, path in given.items() if path is not None}
        self._filters = [] if mapping is None else [(parse_path(path), _values(wanted)) for path, wanted in mapping.when.items()]

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        def pushes(body: Any) -> Sequence[Decision]:
            if not self._paths:
                raise EventError("no-mapping", "generic reads what the `mapping` of a source points at")
            found = [each for event in self._events(body) for each in self._pushes(event)]
            return each_event(found, lambda push: self._read(push, delivery), self._id)

        return decided(delivery, pushes)

    def _events(self, body: Any) -> Sequence[Any]:
        steps = self._paths["events"]
        found = select(body, steps)
        if EACH in steps:
            # A list that is there and empty is nothing new; one that is not there is another format.
            lists = select(body, steps[: steps.index(EACH)])
            is_there = any(isinstance(value, list) for value in lists)
        else:
            is_there = bool(found)
            found = found[0] if found and isinstance(found[0], list) else found
        if not is_there:
            raise EventError("no-events", "the path `events` leads nowhere in this body")
        return found

    def _pushes(self, event: Any) -> Iterator[dict[str, Any]]:
        """The event once for each of its tags, and once if it has none."""
        tags = select(event, self._paths["tag"]) if "tag" in self._paths and self._is_wanted(event) else []
        for tag in tags or [None]:
            yield {"event": event, "tag": tag}

    def _read(self, push: dict[str, Any], delivery: Delivery) -> Decision:
        event = push["event"]
        if not self._is_wanted(event):
            return Ignored(reason="other-event", event_id=self._id(push))
        image = split_image(present(self._value(event, "image"), "image") or "")
        host = present(self._value(event, "host"), "host")
        when = self._value(event, "occurred_at")
        return pushed(
            delivery,
            host=(authority(host) if host and "://" in host else host) or image.host,
            repository=self._value(event, "repository") or image.repository,
            tag=push["tag"] or image.tag,
            digest=self._value(event, "digest") or image.digest,
            media_type=self._value(event, "media_type"),
            actor=self._value(event, "actor"),
            occurred_at=moment(when) or unix_moment(when),
            event_id=self._id(push),
        )

    def _is_wanted(self, event: Any) -> bool:
        return all(any(_same(value, each) for value in select(event, steps) for each in wanted) for steps, wanted in self._filters)

    def _id(self, push: dict[str, Any]) -> str | None:
        """The event's id; where an event is one push for each of its tags, the tag is what tells them apart."""
        value = self._value(push["event"], "event_id")
        event_id = text(f"{value:d}" if type(value) is int and abs(value) < MAX_NUMBER else value)
        return text(f"{event_id}/{push['tag']}") if event_id and EACH in self._paths.get("tag", ()) else event_id

    def _value(self, event: Any, name: str) -> Any:
        found = select(event, self._paths[name]) if name in self._paths else []
        return found[0] if found else None


def _check(name: str, path: str) -> None:
    try:
        steps = parse_path(path)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if EACH in steps and name not in ("events", "tag", "when"):
        raise ValueError(f"{name}: {path!r:.100} may be many values; only events, tag and when take [*]")


def _values(wanted: Scalar | tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _same(value: Any, wanted: Scalar) -> bool:
    """Equal as JSON is: true is not 1."""
    return type(value) is type(wanted) and bool(value == wanted)
