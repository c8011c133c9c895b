"""When people are told: not at night, not more often than they read, and where they want it so once a day."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from hashlib import sha256

from watcher.model.moments import iso, moment_of
from watcher.model.publication import Window
from watcher.pipeline.protocol import Marks

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = Window(pushed=0.0, reevaluated=0.0)
QUIET, DIGEST, BUDGET = "quiet-hours", "digest", "budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From a time of day until another, over midnight where that is earlier; `days` are those it begins on, 0 = Monday."""

    begins: time
    ends: time
    days: frozenset[int] = frozenset(range(7))

    def holds(self, local: datetime) -> bool:
        over_midnight = self.ends <= self.begins
        since_today = local.time() >= self.begins and local.weekday() in self.days
        if not over_midnight:
            return since_today and local.time() < self.ends
        since_yesterday = local.time() < self.ends and (local - DAY).weekday() in self.days
        return since_today or since_yesterday


@dataclass(slots=True, kw_only=True)
class Holding:
    """Of one destination. What it holds waits in the outbox, and goes together once it is let go.

    `window` is how long the first of several is waited with. `digest` is a time of day in `zone`. `per_hour` None is no
    budget. What was sent is kept by `marks` under `name`, over restarts.
    """

    name: str
    marks: Marks
    window: Window = NOW
    per_hour: int | None = None
    quiet: QuietHours | None = None
    digest: time | None = None
    zone: tzinfo
    _sent: list[datetime] = field(default_factory=list, init=False)  # of the last hour, and the last one, oldest first
    _held: tuple[str, datetime] | None = field(default=None, init=False)  # why and until when something was held last

    async def open(self, now: datetime) -> None:
        """Read what was sent before."""
        kept = (await self.marks.marks()).get(self._mark, "")
        self._sent = sorted(moment for text in kept.split() if (moment := moment_of(text)) is not None and moment <= now)
        if not self._sent and self.digest is not None:
            await self.sent(now)  # the first digest comes at its time, not at once

    def why(self, now: datetime) -> str | None:
        """Why nothing is to be sent now, as a word; None when it is."""
        held = self._why(now)
        if held is not None:
            self._held = held, now
        return held

    def until(self, now: datetime) -> datetime | None:
        """What came later than this is for another time; None where all is for now."""
        return self._last_digest(now) if self.digest is not None else None

    def held(self, since: datetime) -> str:
        """Why something that waits since then was held; empty where it was not."""
        return self._held[0] if self._held is not None and since <= self._held[1] else ""

    async def sent(self, now: datetime) -> None:
        """One message went out. After this returns that is known after a restart."""
        self._sent = [*(each for each in self._sent if now - HOUR < each <= now), now]
        await self.marks.put_mark(self._mark, " ".join(iso(each) for each in self._sent))

    @property
    def _mark(self) -> str:
        return f"sent-{sha256(self.name.encode()).hexdigest()[:24]}"

    def _why(self, now: datetime) -> str | None:
        local = now.astimezone(self.zone)
        if self.quiet is not None and self.quiet.holds(local):
            return QUIET
        if self.digest is not None and any(self._last_digest(now) <= each <= now for each in self._sent):
            return DIGEST
        recent = sum(1 for each in self._sent if now - HOUR < each <= now)
        return BUDGET if self.per_hour is not None and recent >= self.per_hour else None

    def _last_digest(self, now: datetime) -> datetime:
        """The last time that one was to be sent. A time of day that a clock skips is that much later."""
        assert self.digest is not None
        today = now.astimezone(self.zone).date()
        last = datetime.combine(today, self.digest, self.zone).astimezone(UTC)
        return last if last <= now else datetime.combine(today - DAY, self.digest, self.zone).astimezone(UTC)
