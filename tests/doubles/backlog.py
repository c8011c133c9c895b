"""A backlog that only remembers what it was given, for tests of what is put into it."""

from collections.abc import Collection, Sequence

from watcher.backlog.protocol import Arrival, Fate, Job, Lane, Receipt, Settlement
from watcher.model.errors import RetryableError
from watcher.model.push import Pushed, Rejected


class FullDiskError(RetryableError):
    reason = "store-unavailable"


class RecordingBacklog:
    """Accepts every push once per delivery key. `broken` makes it refuse everything, as a full disk does."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.broken = False

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        if self.broken:
            raise FullDiskError("disk full")
        return [self._take(arrival) for arrival in arrivals]

    async def lease(self, lanes: Collection[Lane], limit: int) -> Sequence[Job]:
        return ()

    async def renew(self, job_ids: Collection[str]) -> None:
        return

    async def settle(self, job: Job, settlement: Settlement) -> None:
        return

    async def wait(self, seconds: float) -> None:
        return

    async def deleted(self, job: Job) -> bool:
        return False

    def _take(self, arrival: Arrival) -> Receipt:
        seen = {(each.source, each.delivery_key) for each in self.arrivals}
        self.arrivals.append(arrival)
        if arrival.delivery_key is not None and (arrival.source, arrival.delivery_key) in seen:
            return Receipt(fate=Fate.DUPLICATE, reason="delivery", job_id=f"job-{arrival.delivery_key}")
        if isinstance(arrival.decision, Pushed):
            return Receipt(fate=Fate.ACCEPTED, job_id=f"job-{arrival.delivery_key}")
        reason = getattr(arrival.decision, "reason", "")
        return Receipt(fate=Fate.REJECTED if isinstance(arrival.decision, Rejected) else Fate.IGNORED, reason=reason)
