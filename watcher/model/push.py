"""What a registry's event says: the value every dialect produces."""

from dataclasses import dataclass, field
from datetime import datetime

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag

# As much is kept of a body that was rejected as a person needs to see what it was.
EXCERPT_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A manifest appeared here: a hint until the registry confirms it.

    `digest` is None where the payload has none; the registry must then be asked for the tag. `tag` is None when the manifest was
    pushed by digest only. `event_id` is the sender's own id, stable over its retries. Times are aware UTC.
    """

    registry: Host
    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None
    media_type: str | None = None
    actor: str | None = None
    occurred_at: datetime | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A manifest was pushed: work.

    `doubt` is a low-cardinality reason to think that it is nothing that runs: `signature-tag`, `referrer`, `artifact`. It is what
    its author says, so it may only delay: the manifest is looked at after everything else.
    """

    push: Push
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A tag or a manifest was removed: a hint that what is not found here is no loss. `tag` or `digest` is set, or both."""

    registry: Host
    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Understood and not for us, with the low-cardinality reason: `pull`, `blob`, `published-by-us`."""

    reason: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Not understood, with the low-cardinality reason: `invalid-json`, `invalid-digest`, `host-mismatch`."""

    reason: str
    detail: str = ""
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """The sender asks whether we are who we say; answer with exactly this."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Decision = Pushed | Deleted | Ignored | Rejected | Handshake
