"""What a push joins: one image that is announced many times is judged once. Pure, and the same whatever keeps the backlog."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from watcher.backlog.protocol import SUPPRESSED, Arrival, Fate, Lane, Receipt
from watcher.model.digest import Digest
from watcher.model.push import Deleted, Push
from watcher.model.reference import Host, RepositoryName, Tag

# One push is announced up to a dozen times, by itself, its replicas and a second source, within seconds of each other. Longer
# would hide a push that was really made again.
WINDOW_SECONDS = 10.0
# A sweep that finds what could not be judged asks again a day later, not at every pass.
DEAD_SECONDS = 86400.0
# What becomes of a job whose manifest was not there; a later event of it is news.
GONE = "gone"

_URGENCY = {lane.value: position for position, lane in enumerate(Lane)}


@dataclass(slots=True)
class KnownJob:
    """A job about what is pushed: open, dead, or put within WINDOW_SECONDS. `tags` has spaces between; times are POSIX seconds."""

    id: str
    environment: str | None
    state: str
    lane: str
    tags: str
    attempts: int
    put_at: float
    due_at: float
    reason: str

    def came_within(self, seconds: float, now: float) -> bool:
        """Whether it came in so lately, or so far ahead of a clock that was set right since."""
        return abs(now - self.put_at) < seconds

    def concerns(self, tag: str | None) -> bool:
        """Whether it judges the image under this tag, as it does under none."""
        return tag is None or tag in self.tags.split()


@dataclass(slots=True)
class Heard:
    """What was said last, within WINDOW_SECONDS, of tags and digests: a push that repeats it is told from one that was made again.

    Of what was heard before the process began nothing is known, and then a push is one that was made again.
    """

    _last: dict[tuple[Host, RepositoryName, Tag | Digest], tuple[Digest | None, float]] = field(default_factory=dict)

    def pushed(self, push: Push, now: float) -> None:
        for name in (push.digest, push.tag):
            self._put(push.registry, push.repository, name, push.digest, now)

    def deleted(self, gone: Deleted, now: float) -> None:
        for name in (gone.digest, gone.tag):
            self._put(gone.registry, gone.repository, name, None, now)

    def __len__(self) -> int:
        return len(self._last)

    def repeats(self, push: Push) -> bool:
        """Whether nothing else was said since of its digest or its tag."""
        names = (push.digest, push.tag) if push.tag is not None else (push.digest,)
        said = (self._last.get((push.registry, push.repository, name)) for name in names if name is not None)
        return all(each is not None and each[0] == push.digest for each in said)

    def _put(
        self, registry: Host, repository: RepositoryName, name: Tag | Digest | None, digest: Digest | None, now: float
    ) -> None:
        if name is None:
            return
        # In order of time, so that what is too old is at the beginning.
        self._last.pop((registry, repository, name), None)
        self._last[registry, repository, name] = digest, now
        while abs(now - next(iter(self._last.values()))[1]) >= WINDOW_SECONDS:
            del self._last[next(iter(self._last))]


def join(known: Iterable[KnownJob], arrival: Arrival, push: Push, now: float, *, repeats: bool) -> tuple[Receipt, bool] | None:
    """The receipt of a push that is part of a job of `known` (newest first), and whether that job was changed by it.

    None says that it is a job of its own. `repeats`: it says what was said last.
    """
    met = [job for job in known if job.environment == arrival.environment]
    for job in met:
        if job.state == "waiting":
            _merge(job, arrival, push, now)
            return Receipt(fate=Fate.DUPLICATE, reason="joined", job_id=job.id), True
    # Without a digest the tag may have moved since that job looked, and a re-evaluation asks for a second look.
    if push.digest is None or arrival.lane is Lane.REEVALUATE:
        return None
    for job in met:
        if job.reason == GONE:
            return None
        if not job.concerns(push.tag):
            continue
        found_by_sweep = arrival.delivery_key is None
        if found_by_sweep and (job.state == "leased" or (job.state == "dead" and job.came_within(DEAD_SECONDS, now))):
            return Receipt(fate=Fate.DUPLICATE, reason=job.state, job_id=job.id), False
        # One that waits behind everything, or was begun anew, may have found that its tag led elsewhere.
        anew = push.tag is not None and (job.lane == Lane.SWEEP.value or (job.state == "leased" and job.attempts > 1))
        if job.state in {"leased", "done"} and repeats and not anew and job.came_within(WINDOW_SECONDS, now):
            return Receipt(fate=Fate.DUPLICATE, reason="window", job_id=job.id), False
    return None


def _merge(job: KnownJob, arrival: Arrival, push: Push, now: float) -> None:
    if push.tag is not None and not job.concerns(push.tag):
        job.tags = " ".join(sorted({*job.tags.split(), push.tag}))
    job.lane = min(job.lane, arrival.lane.value, key=_URGENCY.__getitem__)
    if not job.attempts or job.reason == SUPPRESSED:
        # A tagged push does not wait for an index, nor does what it joins; but a job that failed keeps its delay.
        job.due_at = min(job.due_at, now + arrival.wait_seconds)
