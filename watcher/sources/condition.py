"""What keeps a source from hearing: told in its health, and by one line of the log at every change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import structlog

from watcher.kit.clock import Clock
from watcher.kit.seldom import Seldom
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.sources.protocol import Health, SourceError

log = structlog.get_logger(__name__)

UNAVAILABLE = "events cannot be taken in now"


class Condition:
    """Of one source. Three things fail apart from each other, each with a sentence while it does.

    While it cannot hear, or cannot store what it hears, it is not connected. What it cannot settle with its sender arrives all the
    same, again and again. The same sentence is the same trouble, and is said once.
    """

    def __init__(self, source: str, clock: Clock) -> None:
        self.health = Health(problem="not started")
        self._source = source
        self._clock = clock
        self._hearing = self._storing = self._settling = ""
        self._seldom = Seldom()

    @property
    def hears(self) -> bool:
        """Whether the other side brought news, or said that there was none, when it was asked last."""
        return not self._hearing

    @property
    def stores(self) -> bool:
        """Whether the last delivery was put on disk."""
        return not self._storing

    @contextmanager
    def listening(self, problem: str = "connecting") -> Iterator[None]:
        """From the start to the end of a source; `problem` is why it hears nothing yet."""
        self._hearing, self._storing, self._settling = problem, "", ""
        self._show()
        try:
            yield
        finally:
            self.health.connected, self.health.problem = False, "stopped"

    def heard(self, **where: object) -> None:
        """News that is sent now would arrive; `where` it comes from is for the log."""
        before, self._hearing = self._hearing, ""
        if before:
            log.info("source.connected", source=self._source, **where)
        self._show()

    def heard_nothing(self, error: SourceError | ConfigurationError) -> None:
        """News that is sent now would not arrive."""
        before, self._hearing = self._hearing, str(error)
        if before != self._hearing:
            say = log.error if isinstance(error, ConfigurationError) or error.for_a_person else log.warning
            say("source.disconnected", source=self._source, reason=error.reason, detail=str(error))
        self._show()

    def stored(self, sent_at: datetime | None = None) -> None:
        """A delivery is on disk; `sent_at` where its carrier says when it took it over. Two clocks may differ by more than that."""
        before, self._storing = self._storing, ""
        if before:
            log.info("source.recovered", source=self._source)
        now = self._clock()
        self.health.last_event_at = now
        self.health.lag_seconds = None if sent_at is None else max(0.0, (now - sent_at).total_seconds())
        self._show()

    def postponed(self, error: RetryableError) -> None:
        """A delivery could not be put on disk."""
        before, self._storing = self._storing, f"{UNAVAILABLE}: {error}"
        if before != self._storing:
            log.warning("delivery.postponed", source=self._source, reason=error.reason, detail=str(error))
        self._show()

    def settled(self) -> None:
        """A delivery was acknowledged, or given back."""
        self._settling = ""
        self._show()

    def unsettled(self, error: SourceError, **what: object) -> None:
        """What is on disk could not be acknowledged. It may go so with every other message, so it is said once a minute."""
        self._settling = f"messages come again, because they cannot be acknowledged: {error}"
        if times := self._seldom.times(error.reason):
            say = log.error if error.for_a_person else log.warning
            say("acknowledgement.failed", source=self._source, reason=error.reason, detail=str(error), times=times, **what)
        self._show()

    def _show(self) -> None:
        self.health.connected = not (self._hearing or self._storing)
        self.health.problem = self._hearing or self._storing or self._settling
