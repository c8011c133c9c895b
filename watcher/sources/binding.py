"""What all sources share in the configuration: whose events they bring."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from watcher.dialects.generic import GenericMapping
from watcher.dialects.protocol import Delivery
from watcher.kit.names import PathName
from watcher.model.push import EXCERPT_BYTES
from watcher.model.reference import Host


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose events these are."""

    name: PathName = ""  # the last part of its hook's path; empty: the dialect's, or `sweep`
    registry: str = ""  # the host under `registries` or any other; empty: the only one there


class EventSourceSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source whose events somebody else writes."""

    dialect: str = "distribution"  # how the sender writes its events; never guessed from them
    # Other host names that clients push to this registry under, as a proxy or a container network has them; "*" for any. An
    # event that names a host which is neither the registry's nor listed here is rejected.
    aliases: tuple[str, ...] = ()
    # Registries beside `registry` that the same sender speaks of, as a queue for several regions does: an event is about the one
    # it names, and about none where it names none of them.
    further_registries: tuple[str, ...] = ()
    mapping: GenericMapping | None = None  # where the fields are, for the dialect `generic`

    def delivery(self, headers: Mapping[str, str], body: bytes, **rest: Any) -> Delivery:
        """What has arrived here, bound to the registries that it may speak of."""
        further = tuple(Host(each) for each in self.further_registries)
        aliases = frozenset(self.aliases)
        return Delivery(registry=Host(self.registry), further=further, aliases=aliases, headers=headers, body=body, **rest)

    def bounded_delivery(self, headers: Mapping[str, str], body: bytes, *, limit_bytes: int) -> Delivery:
        """The same of a message: of one that is too large its beginning, with its size and its hash."""
        if len(body) <= limit_bytes:
            return self.delivery(headers, body)
        whole = {"whole_bytes": len(body), "whole_sha256": hashlib.sha256(body).hexdigest()}
        return self.delivery(headers, body[:EXCERPT_BYTES], **whole)
