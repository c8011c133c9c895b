"""What a publisher is: one destination that is told about verdicts, any number of times."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from watcher.model.digest import Digest
from watcher.model.quarantine import Quarantine
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.ticket import Ticket, TicketCause, Unsettled
from watcher.model.verdict import Outcome, Subject, Verdict


class Publisher(Protocol):
    """One configured destination."""

    name: str

    async def open(self) -> None:
        """Connect, as far as that means anything, and find out whether the destination can be reached. Publishes nothing.

        Asked once, at start; `publish` works whatever came of it, and connects again by itself.

        Raises:
            RetryableError: not now.
            PermanentError: never, unless somebody changes something.
        """
        ...

    async def publish(self, verdict: Verdict, progress: "Progress") -> None:
        """Tell the destination. Safe to repeat: the second time changes nothing that a reader could see.

        What has to be known of steps already taken, should we end between them, is noted in `progress` before each.

        Raises:
            RetryableError: the outbox tries again later.
            PermanentError: it never will succeed; the outbox records the reason.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what `open` and `publish` hold."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a destination is. `problem` is why what was sent to it last did not get through, as a word, and None when it did.

    `reachable`: it answers, as far as is known. `held` is why it is not told now, as a word.
    """

    reachable: bool = True
    problem: str | None = None
    held: str | None = None
    last_published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A verdict to tell of, and the one that the destination was told last of the same subject, or of what its tag led to before.

    None where it knows of none.
    """

    verdict: Verdict
    told: Verdict | None = None


@runtime_checkable
class GatheringPublisher(Publisher, Protocol):
    """A destination that reads: several verdicts are told together, by what they have in common."""

    async def publish_together(self, news: Sequence[News], held: str) -> None:
        """Tell of all of them in one message; one that only just came is told as by `publish`.

        `held` is why they were not told before, as a word, empty where they only just came.

        Raises: as `publish`.
        """
        ...


class OwnWrites(Protocol):
    """Digests that we wrote into registries ourselves, so that their events start no work."""

    async def claim(self, digests: Collection[Digest], *, under: Tag | None = None) -> None:
        """Record digests *before* they are put. After this returns `claimed` knows them.

        `under` is for what lists what others wrote: it is ours by that tag alone, so that nobody hides an image behind it.
        """
        ...

    async def forget(self, digests: Collection[Digest]) -> None:
        """Record that we have removed them: whoever puts the same there from now on is somebody else."""
        ...

    async def claimed(self, digests: Collection[Digest]) -> Mapping[Digest, Tag | None]:
        """Those of `digests` that are ours: by which tag, None for any."""
        ...

    async def keep(self, digests: Collection[Digest]) -> None:
        """Record that these are still there: whatever was claimed is forgotten a month after it was seen last."""
        ...

    async def forgotten(self, digest: Digest) -> bool:
        """Whether it was ours and we have removed it, so that its not being there is no news."""
        ...


class SubjectLocks(Protocol):
    """One writer at a time for what a registry keeps about an image, in this process and every other on this store."""

    def lock(self, subject: Subject) -> AbstractAsyncContextManager[None]:
        """Hold (registry, repository, digest) so that only one of us edits its referrers and tags.

        Entering waits for whoever holds it, and raises RetryableError when the lock cannot be kept. A holder that dies loses it
        within seconds; one that is stopped for longer than that may wake up beside another, so whatever is written under a lock
        has to bear that.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """A document, its media type, and the revision of the facts that it was written from."""

    media_type: str
    content: bytes
    facts_revision: str


class Sboms(Protocol):
    """What is known of images, in formats that other tools read."""

    async def written(self, digest: Digest, repository: str, written_as: str) -> Sbom | None:
        """The packages of the last inspection, in a format by its name; None of an image that was never inspected.

        `repository` is `HOST/REPOSITORY`, the name that the document has for the image, empty for none. The same facts under the
        same name are the same bytes.
        """
        ...


class TagHistory(Protocol):
    """By which tags an image is known, for destinations that keep something for each."""

    async def tag_history(self, registry: Host, repository: RepositoryName, digest: Digest) -> Mapping[str, Digest | None]:
        """Every tag that ever led to the digest, with what it leads to now; None for nothing, as far as is known.

        '' is among them, with None, of an image that was once known without any tag.
        """
        ...


class Labels(Protocol):
    """What images say of themselves."""

    async def labels(self, digest: Digest) -> Mapping[str, str]:
        """The labels of an image's configuration; of an index, those that all its images agree on, as far as they were inspected.

        Empty where nothing is known. Whoever built the image wrote them, so they are claims.
        """
        ...


CausesOf = Callable[[Verdict], Collection[TicketCause]]
"""`causes_of(verdict)`: the causes that its image has. Pure and quick."""


class Tickets(Protocol):
    """Which images have which causes, as far as a publisher was told; for those who keep a ticket for each cause."""

    async def note(
        self, publisher: str, subject: Subject, causes: Collection[TicketCause], *, undecided: Collection[str] = ()
    ) -> None:
        """The subject has these causes and no others, but for those of `undecided` rules, which stay as they were.

        After this returns every ticket is unsettled whose images may be others now: those of its causes, before and now, and those
        with images that its tags once led to. Nothing for an image that was never recorded.
        """
        ...

    async def begin(self, publisher: str, causes_of: CausesOf, limit: int = 50) -> bool:
        """Note what the newest verdicts of `limit` more subjects say that were judged before anybody asked.

        The newest first; false when there are no more, and ever after. `causes_of` is asked in the middle of a transaction.
        """
        ...

    async def unsettled(self, publisher: str, limit: int = 10) -> Unsettled:
        """Tickets that the tracker has to be told of, those first that were noted first.

        An image counts while a tag leads to it, or if it never had one.
        """
        ...

    async def settle(self, publisher: str, settled: Ticket) -> None:
        """Keep its key, `is_open` and `written`. It is unsettled again when it has changed since it was read."""
        ...


class Quarantines(Protocol):
    """Which images are kept from being pulled, and how far that has come: recorded before anything is done, and after."""

    async def find(self, publisher: str, registry: Host, repository: RepositoryName, digest: Digest) -> Quarantine | None:
        """What is recorded of one image."""
        ...

    async def begin(self, record: Quarantine, *, most: int, since: datetime) -> datetime | None:
        """Keep it as intended; as held instead where `most` others of its publisher and repository began after `since`.

        Gives when the first of those began, None where it may begin.
        """
        ...

    async def keep(self, record: Quarantine) -> None:
        """Replace what is recorded of the image. After this returns, `find` gives it."""
        ...

    async def listed(
        self, *, registry: Host | None = None, repository: RepositoryName | None = None, digest: Digest | None = None
    ) -> Sequence[Quarantine]:
        """Those of a registry, of a repository, of a digest or all, the newest first, whatever became of them."""
        ...

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """How many there are per (publisher, state) that are not over; in the state `passing` those that wait to be released."""
        ...


class Judgements(Protocol):
    """What is true now of the images of a repository."""

    async def standing(self, registry: Host, repository: RepositoryName, digest: Digest) -> Sequence[Verdict]:
        """The newest verdict of a digest in every environment, newest first."""
        ...

    async def known_good(
        self, registry: Host, repository: RepositoryName, tag: Tag, environment: str | None, outcomes: Collection[Outcome]
    ) -> Sequence[Digest]:
        """What the tag led to, or leads to, whose newest verdict in the environment is one of `outcomes`.

        Those first that had the tag last; ten at most.
        """
        ...

    async def judged_by(self, subject: Subject, outcomes: Collection[Outcome], tag: Tag, *, named: bool) -> Sequence[Verdict]:
        """The verdicts of an image that are one of `outcomes`, and name this tag; where not `named`, those that do not.

        The newest first, ten at most.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedAs:
    """By which tags an image was pushed, and when: as the event says, where it does, and when we heard of it."""

    tags: tuple[Tag, ...]
    received_at: datetime
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPush:
    """One push by a tag. `verdict_id` is of the verdict that it leads to, or has led to.

    `digest` is None where the event names none. What only a sweep found is not `is_heard`: the tag leads there, since whenever.
    """

    digest: Digest | None
    received_at: datetime
    occurred_at: datetime | None = None
    verdict_id: str | None = None
    is_heard: bool = True

    @property
    def at(self) -> datetime:
        """As the registry says, else when we heard of it."""
        return self.occurred_at or self.received_at


class Pushes(Protocol):
    """What events said, whatever the registry says since."""

    async def pushed_as(self, verdict_id: str) -> PushedAs | None:
        """How the image of a verdict was pushed; None where no event led to the verdict, or none is kept any more."""
        ...

    async def pushes(self, registry: Host, repository: RepositoryName, tag: Tag, since: datetime) -> Sequence[TagPush]:
        """What was pushed by a tag, and heard of since, the last first. Ours are among them.

        Events are kept for eight days.
        """
        ...


class Progress(Protocol):
    """How far earlier attempts at one publication have come."""

    @property
    def noted(self) -> str:
        """What was noted last, '' for nothing."""
        ...

    async def note(self, text: str) -> None:
        """Replace what was noted, by at most 4096 characters. After this returns, an attempt after a crash finds it."""
        ...
