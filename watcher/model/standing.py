"""What was judged, as those see it who judge it again."""

from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSubject:
    """A subject with a verdict that stands. `index` is the one it was judged as part of last, None when alone.

    `lasting` is false where the same would be said again whatever changes: of what cannot run, or is not there any more. `number`
    is the store's, for the next page.
    """

    number: int
    registry: Host
    repository: RepositoryName
    digest: Digest
    environment: str | None
    index: Digest | None = None
    lasting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAs:
    """What the last look found a digest to be. `platform` is None for an index; `facts_revision` names what it was judged by."""

    digest: Digest
    media_type: str
    platform: str | None
    facts_revision: str
    index: Digest | None = None
