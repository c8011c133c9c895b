"""Who is told of verdicts, and how each of them is: whether he hears us, and when he is not to be told."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from watcher.kit.clock import Clock, utc_now
from watcher.model.publication import Published, PublishFailed, PublishLater, Settled
from watcher.model.verdict import Outcome, Verdict
from watcher.pipeline.holding import Holding
from watcher.publishing.protocol import GatheringPublisher, Publisher, Standing

# Of one destination at a time: requests are small, and more at once would only queue at its other end.
SLOTS = 8


@dataclass(slots=True, kw_only=True)
class Destination:
    """A publisher, and how it is treated.

    `in_registry`: it writes where the image is, so it can be down for the images of one registry. `outcomes` are those it is told
    of; where it is told of `only_changes`, also that an image has left them of which it was told before. `wants` tells of a
    verdict whether it is to be told. `holding` says when it is not.
    """

    publisher: Publisher
    outcomes: Collection[Outcome] = tuple(Outcome)
    in_registry: bool = True
    only_changes: bool = False
    wants: Callable[[Verdict], bool] = lambda _: True
    holding: Holding | None = None
    clock: Clock = utc_now
    problem: str | None = field(default=None, init=False)
    last_published_at: datetime | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.publisher.name

    @property
    def gathers(self) -> GatheringPublisher | None:
        """The publisher, where it tells of several verdicts at a time."""
        return self.publisher if self.holding is not None and isinstance(self.publisher, GatheringPublisher) else None

    def unwanted(self, verdict: Verdict, told: Verdict | None, *, perhaps_told: bool) -> str | None:
        """Why it need not be told, as a word; None where it is to be. `told` is what it was told last of the same subject."""
        if verdict.outcome not in self.outcomes:
            before = perhaps_told or (told is not None and told.outcome in self.outcomes)
            return None if before and self.only_changes else "never-told"
        if self.only_changes and told is not None and told.subject.name == verdict.subject.name and verdict.repeats(told):
            return "repeated"
        return None if self.wants(verdict) else "filtered"

    def standing(self, now: datetime, *, reachable: bool) -> Standing:
        held = self.holding.why(now) if self.holding is not None else None
        return Standing(reachable=reachable, problem=self.problem, held=held, last_published_at=self.last_published_at)

    def settled(self, result: Settled) -> None:
        """How the last attempt ended."""
        if isinstance(result, Published):
            self.last_published_at = self.clock()
        if isinstance(result, Published | PublishLater | PublishFailed):
            self.problem = None if isinstance(result, Published) else result.reason
