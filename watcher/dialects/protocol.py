"""What a dialect is: one sender's payload format as a pure function."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from watcher.model.push import Decision
from watcher.model.reference import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request or message as it arrived. Header names are lower-case; `body` is raw and was already limited in size.

    `registry` is the host configured for the source, and `further` are others that its sender speaks of: no host is ever taken
    from a payload, which at most says which of these it means. `aliases` are the names that `registry` has beside its own in its
    senders' payloads; `*` means any. A `registry` that is empty says that it is not known, as when a
    captured payload is read by hand: then no name is compared.

    `whole_bytes` and `whole_sha256` are set when `body` is only the beginning of something too large; it is then not read at all.
    """

    registry: Host
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    further: tuple[Host, ...] = ()
    aliases: frozenset[str] = frozenset()
    whole_bytes: int | None = None
    whole_sha256: str = ""


def lower_headers(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A request's header fields as a delivery has them; a field that is repeated is joined with commas. Spec: RFC 9110, 5.3."""
    headers: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


class Dialect(Protocol):
    """Reads one sender's format."""

    def read(self, delivery: Delivery) -> Sequence[Decision]:
        """Decide every event of the delivery, in order.

        Never raises and never returns nothing: what cannot be understood is one `Rejected`; one bad event never rejects its
        neighbours. Every value in a returned `Push` has been checked against the grammar of the distribution-spec.
        """
        ...
