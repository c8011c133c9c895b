"""What a ticket is about: a cause, and the images that have it."""

from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketCause:
    """What a ticket is for. `id` is of 64 characters at most; `about` is for who writes the ticket, and for nobody else."""

    id: str
    rule: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketImage:
    """An image that has the cause, with the tags that lead to it; none of one that never had any."""

    registry: Host
    repository: RepositoryName
    digest: Digest
    environment: str | None
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A cause and the images that have it now, in order. `key` is the tracker's name for the ticket, '' while there is none.

    `is_open` and `written` are what `settle` was told last; `changed` tells this state of it from later ones.
    """

    cause: TicketCause
    images: tuple[TicketImage, ...]
    key: str
    is_open: bool
    written: str
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """Tickets that a tracker has to be told of, and how many of a publisher's are open."""

    tickets: tuple[Ticket, ...]
    count_open: int
