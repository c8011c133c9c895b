"""What was pushed, for a sender to tell of, and the request or message that it makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A manifest in a registry. `host` is the registry as the sender calls it: every URL of the event leads there."""

    host: str
    repository: str
    tag: str
    digest: str
    manifest: str
    media_type: str = "application/vnd.oci.image.manifest.v1+json"
    actor: str = "ci"
    event_id: str = "01a222e5-eeb9-4cc4-94a1-805576897d0d"
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def owner(self) -> str:
        """The first component of the repository: a project, a user, a key."""
        return self.repository.partition("/")[0]

    @property
    def name(self) -> str:
        """What comes after the owner."""
        return self.repository.partition("/")[2]

    @property
    def time(self) -> str:
        """RFC 3339."""
        return self.at.isoformat().replace("+00:00", "Z")

    @property
    def seconds(self) -> int:
        """Since 1970."""
        return int(self.at.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` and `query` come after the URL of the source. Headers may be secrets: they never appear in a `repr`."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    method: str = "POST"
    path: str = field(default="", repr=False)
    query: str = field(default="", repr=False)
