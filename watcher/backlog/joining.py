"""What a push joins: one image that is announced many times is judged once. Pure, and the same whatever keeps the backlog."""

from collections.abc import Iterable
from dataclasses import dataclass

from watcher.backlog.protocol import Arrival, Fate, Lane, Receipt
from watcher.model.push import Push

# One push is announced up to a dozen times, by itself, its replicas and a second source, within seconds of each other. Longer
# would hide a push that was really made again.
WINDOW_SECONDS = 10.0
# A sweep that finds what could not be judged asks again a day later, not at every pass.
DEAD_SECONDS = 86400.0
# What becomes of a job whose manifest was not there; a later event of it is news.
GONE = "gone"
# Why a job is there that no event asked for.
FOUND = "found"

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


def join(known: Iterable[KnownJob], arrival: Arrival, push: Push, now: float) -> tuple[Receipt, bool] | None:
    """The receipt of a push that is part of a job of `known` (newest first), and whether that job was changed by it.

    None says that it is a job of its own.
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
        if not job.concerns(push.tag):
            continue
        found_by_sweep = arrival.delivery_key is None
        if found_by_sweep and (job.state == "leased" or (job.state == "dead" and job.came_within(DEAD_SECONDS, now))):
            return Receipt(fate=Fate.DUPLICATE, reason=job.state, job_id=job.id), False
        if job.state in {"leased", "done"} and job.reason != GONE and job.came_within(WINDOW_SECONDS, now):
            return Receipt(fate=Fate.DUPLICATE, reason="window", job_id=job.id), False
    return None


def _merge(job: KnownJob, arrival: Arrival, push: Push, now: float) -> None:
    if push.tag is not None and not job.concerns(push.tag):
        job.tags = " ".join(sorted({*job.tags.split(), push.tag}))
    job.lane = min(job.lane, arrival.lane.value, key=_URGENCY.__getitem__)
    if not job.attempts:
        # A tagged push does not wait for an index, nor does what it joins; but a job that failed keeps its delay.
        job.due_at = min(job.due_at, now + arrival.wait_seconds)
