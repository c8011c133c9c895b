"""What we know: images, verdicts per subject, and what is still to be told to whom.

The store also keeps the facts of layers, knows the images that others are built on (`LayerCache`, `KnownBases`,
watcher/inspection/protocol.py) and keeps the digests of our own writes (`OwnWrites`, watcher/publishing/protocol.py): those
Protocols live with the rooms that ask for them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from watcher.model.digest import Digest
from watcher.model.errors import PermanentError
from watcher.model.inventory import Inventory, PackageRecord
from watcher.model.knowledge import Knowledge
from watcher.model.publication import Publication, PublishFailed, Settled, Window
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome, Subject, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One verdict with the facts it rests on; `inventory` is None for an index, where nothing could be inspected, and where it is
    what is recorded.

    `knowledge` is what was known of the image besides. `looked` is false where the image's bytes could not be had or read: that
    says nothing against an earlier verdict of them.
    `reads_tags` is the judgement's. `replaces` is what its tag led to before.
    """

    verdict: Verdict
    inventory: Inventory | None = None
    knowledge: tuple[Knowledge, ...] = ()
    looked: bool = True
    reads_tags: bool = False
    replaces: Digest | None = None


Routing = Callable[[Verdict, Verdict | None], Collection[str]]
"""`routing(verdict, earlier)`: the names of the publishers that hear of a verdict, given the one before it of the same subject.

Pure and quick: it is asked in the middle of a transaction, since only there the earlier verdict is known for certain.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """That a subject was judged, when and by what; not how it ended."""

    evaluated_at: datetime
    policy_revision: str
    data_revision: str
    tags: tuple[Tag, ...]


class VerdictGoneError(PermanentError):
    """A verdict that a list was to go on from is not kept any more: what follows it is not known; begin at the first page."""

    reason = "verdict-gone"


class VerdictStore(Protocol):
    """Verdicts, recorded together with what must be published about them."""

    async def record(self, judged: Sequence[Judged], routing: Routing) -> None:
        """Record verdicts, images and one outbox row per verdict and publisher, in one transaction.

        After this returns all of it is on disk. A verdict whose id is already recorded is left as it is, with its publications.
        A newer verdict of the same subject supersedes publications of older ones that were not yet attempted or have failed, but
        for those that it only repeats to a publisher which it does not go to. One that could not look never takes the place of
        one that did: it is found by its id and in the history, is not the newest, and nobody is told.

        One of REEVALUATION that repeats the one before takes the place of an earlier one of REEVALUATION which did so too, as part
        of the same index and by the same tags, unless somebody was to be told of that: it is found by its id no more. So an image
        that is judged again every day has no verdict more than the first that said it and the last that repeated it.
        """
        ...

    async def verdict(self, verdict_id: str) -> Verdict | None: ...

    async def several(self, verdict_ids: Collection[str]) -> Mapping[str, Verdict]:
        """Those of them that are recorded, by their ids."""
        ...

    async def latest(
        self,
        digest: Digest,
        *,
        registry: Host | None = None,
        repository: RepositoryName | None = None,
        environment: str | None = None,
    ) -> Verdict | None:
        """The newest verdict of a digest, narrowed to a registry, repository and environment when these are given.

        Of an image that is gone it is the last that looked at it.
        """
        ...

    async def by_tag(self, registry: Host, repository: RepositoryName, tag: Tag, environment: str | None) -> Verdict | None:
        """The newest verdict that was asked for by this tag, of an image or an index that was judged by itself."""
        ...

    async def tags(self, registry: Host, repository: RepositoryName, digest: Digest) -> Sequence[Tag]:
        """The tags that lead to a digest, as far as is known."""
        ...

    async def led_to(self, registry: Host, repository: RepositoryName, tags: Collection[Tag]) -> Collection[Digest]:
        """What these tags lead to, as far as is known."""
        ...

    async def left(self, registry: Host, repository: RepositoryName, digest: Digest, tags: Collection[Tag]) -> None:
        """After this returns the tags are known not to lead to the digest, until a verdict of it is recorded by them again."""
        ...

    async def gone(self, registry: Host, repository: RepositoryName, digest: Digest, told: Collection[str]) -> None:
        """The image is not there any more: the publishers `told` are told its standing verdict once more, with GONE noted.

        After this returns that is on disk, and none of its verdicts is among what is true now, until it is judged again. Nothing
        is where nothing was judged.
        """
        ...

    async def told_again(self, subject: Subject, told: Collection[str]) -> None:
        """The publishers `told` are told the subject's standing verdict once more, unless they still are to be.

        For those who do something else about it from now on. After this returns that is on disk.
        """
        ...

    async def evaluations(
        self, registry: Host, repository: RepositoryName, digest: Digest, *, since: datetime, limit: int = 20
    ) -> Sequence[Evaluation]:
        """How often this digest was judged by itself (not as part of an index), newest first."""
        ...

    async def judged(self, registry: Host, repository: RepositoryName) -> Mapping[Digest, Collection[Tag]]:
        """What of a repository has a verdict, with the tags that lead to it as far as is known.

        One that was not found when it was judged has none.
        """
        ...


class Outbox(Protocol):
    """Publications that are still to be made. At least once; in order per publisher and subject."""

    async def due(
        self,
        limit: int,
        *,
        full: Collection[str] = (),
        single: Collection[str] = (),
        together: Mapping[str, Window] = MappingProxyType({}),
        working: Collection[Publication] = (),
        without: Collection[tuple[str, Host]] = (),
    ) -> Sequence[Publication]:
        """Take at most `limit` publications of each publisher whose time has come.

        Each is leased and returns by itself if never settled. None of the publishers that are `full`, and one of each that is
        `single`. Of one in `together` everything that waits for the first time or is due, 500 at most, once something of it
        has waited for its window.

        Never two of one (publisher, subject) at a time. Those that the caller is `working` on are renewed first: see
        `Backlog.lease` (watcher/backlog/protocol.py). None by a publisher about images of a registry that are `without`.
        """
        ...

    async def note(self, publication: Publication, progress: str) -> None:
        """Keep `progress` for the next attempt, in place of what was kept; nothing when the lease has passed to another.

        Raises:
            ValueError: it is longer than 4096 characters; notes are names, not content.
        """
        ...

    async def settle(self, publication: Publication, result: Settled) -> PublishFailed | None:
        """Close or release a publication. One whose lease has passed to another attempt is left alone.

        Gives why it has failed for good now: the result itself, or one more failure than is put up with.
        """
        ...

    async def wait(self, seconds: float) -> None:
        """Return when there may be something due that was not before, and at the latest after `seconds`. For one caller."""
        ...

    async def recover(self) -> int:
        """Take back every lease, at the start of the one daemon: whoever held them is dead. Gives their number."""
        ...

    async def forgive(self) -> None:
        """Count no attempt of what is leased, at the orderly end of the one daemon: what is cut off has not failed."""
        ...


PUBLICATION = "publication-"
"""How the id of a publication begins, among those of other dead letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedPublication:
    """A dead letter: a verdict that a publisher could not be told."""

    id: str
    publisher: str
    verdict_id: str
    subject: Subject
    tag: Tag | None
    attempts: int
    reason: str
    detail: str
    failed_at: datetime


class FailedPublications(Protocol):
    """What was given up, until a newer verdict of its subject takes its place."""

    async def failed(self, *, before_id: str | None = None, limit: int = 100) -> Sequence[FailedPublication]:
        """Newest first, older than the publication `before_id`."""
        ...

    async def replay(self, publication_id: str) -> bool:
        """Make it wait again, with all its attempts before it; false when it is not among those that failed.

        One that was overtaken by what its publisher was told since is taken off the list.
        """
        ...

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """How many there are per (publisher, state), of those that are waiting, leased or failed."""
        ...

    async def oldest(self) -> Mapping[str, datetime]:
        """Of those that wait, per publisher, when the oldest was judged."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One image as lists show it."""

    digest: Digest
    registry: Host
    repository: RepositoryName
    tags: tuple[Tag, ...]
    outcome: Outcome | None
    evaluated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFilter:
    """None asks for any."""

    registry: Host | None = None
    repository: RepositoryName | None = None
    environment: str | None = None
    outcome: Outcome | None = None


class ImageReader(Protocol):
    """What the API and the command line ask."""

    async def images(self, *, after: str | None = None, limit: int = 100) -> Sequence[ImageRow]:
        """In order of digest, beginning after `after`."""
        ...

    async def last_named(self, registry: Host, repository: RepositoryName, tag: Tag) -> Digest | None:
        """What the newest verdict asked for by this tag is about; None when no event ever named it."""
        ...

    async def inventory(self, digest: Digest) -> Inventory | None:
        """What the last inspection of an image found, None when it was never inspected. Judging it again gives the same findings.

        Its files are put together from what is kept of the layers. Where that is not what the inspection had before it (a layer
        that was over a budget is not kept), there are none, and the section `files` is missing, with the reason.
        """
        ...

    async def subjects(self, digest: Digest) -> Sequence[Verdict]:
        """The newest verdict of every subject (registry, repository, environment) that has the digest, newest first."""
        ...

    async def verdicts(self, digest: Digest, *, before: str | None = None, limit: int = 100) -> Sequence[Verdict]:
        """All of a digest, newest first, older than the verdict with the id `before`.

        Raises:
            VerdictGoneError: that verdict is not kept any more.
        """
        ...

    async def newest(self, wanted: SubjectFilter, *, before: str | None = None, limit: int = 100) -> Sequence[Verdict]:
        """What is true now: the newest verdict of every subject, newest first, older than the verdict with the id `before`.

        An image that passes now is not among those that fail, whatever its earlier verdicts were. Raises as `verdicts`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageQuery:
    """A purl or a name; the other is empty.

    A purl may lack its qualifiers, or these and its version, and then stands for any. A name is the package's own or the one that
    advisories know it by.
    """

    purl: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPackage:
    """A package in an image: `type` is its purl type, `source` the name advisories know it by; `layer` brought it, 0 = base.

    `id` is the store's own, as that of an InstalledPackage.
    """

    id: int
    type: str
    name: str
    version: str
    source: str
    purl: str
    layer: int
    from_base: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingImage:
    """An image, those of its packages that were asked for, and its distribution: `debian:12`, empty where it has none."""

    row: ImageRow
    distro: str
    packages: tuple[HeldPackage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageName:
    """`name` is the one that advisories are matched on, `type` the package's purl type.

    `distro` is empty for images of any, `debian:12` for those of that release and every 12.x, `wolfi` for those of every version.
    """

    type: str
    name: str
    distro: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackage:
    """A package as it is in images of one distribution, `debian:12`, or of none."""

    id: int
    record: PackageRecord
    distro: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A subject with a standing verdict. `indexes` are those that it was judged as part of."""

    registry: Host
    repository: RepositoryName
    digest: Digest
    environment: str | None
    indexes: frozenset[Digest] = frozenset()


class PackageIndex(Protocol):
    """Which images hold a package, as of their last inspection."""

    async def holding(self, wanted: PackageQuery, *, after: Digest | None = None, limit: int = 100) -> Sequence[HoldingImage]:
        """In order of digest, beginning after `after`; one for each place that an image was seen at. `limit` counts digests."""
        ...

    async def installed(self, names: Collection[PackageName]) -> Sequence[InstalledPackage]:
        """Every version of these that an image holds, once for each distribution of such images."""
        ...

    async def holding_any(
        self, wanted: Collection[InstalledPackage], *, after: Digest | None = None, limit: int = 100
    ) -> Sequence[HoldingImage]:
        """The images of a package's distribution that hold it, in the order of `holding`."""
        ...

    async def holders(self, names: Collection[PackageName]) -> Sequence[Holder]:
        """Every subject whose image holds any of these, once, in no order."""
        ...
