"""An inbox that only remembers what it was given, for tests of what is put into it."""

from collections.abc import Sequence
from itertools import count

from watcher.backlog.protocol import Arrival, Fate, Receipt
from watcher.model.errors import RetryableError
from watcher.model.push import Handshake, Ignored, Pushed, Rejected


class FullDiskError(RetryableError):
    reason = "store-unavailable"


class RecordingInbox:
    """Accepts every push once per delivery key. `broken` makes it refuse everything, as a full disk does; it counts how often."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.broken = False
        self.refused = 0
        self._jobs: dict[tuple[str, str], str | None] = {}
        self._numbers = count()

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        if self.broken:
            self.refused += 1
            raise FullDiskError("disk full")
        return [self._take(arrival) for arrival in arrivals]

    def _take(self, arrival: Arrival) -> Receipt:
        self.arrivals.append(arrival)
        key = None if arrival.delivery_key is None else (arrival.source, arrival.delivery_key)
        if key is not None and key in self._jobs:
            return Receipt(fate=Fate.DUPLICATE, reason="delivery", job_id=self._jobs[key])
        receipt = self._first(arrival)
        if key is not None:
            self._jobs[key] = receipt.job_id
        return receipt

    def _first(self, arrival: Arrival) -> Receipt:
        match arrival.decision:
            case Pushed():
                return Receipt(fate=Fate.ACCEPTED, job_id=arrival.job_id or f"job-{next(self._numbers)}")
            case Rejected(reason=reason):
                return Receipt(fate=Fate.REJECTED, reason=reason)
            case Ignored(reason=reason):
                return Receipt(fate=Fate.IGNORED, reason=reason)
            case Handshake():
                return Receipt(fate=Fate.IGNORED, reason="handshake")
            case _:
                return Receipt(fate=Fate.IGNORED, reason="delete")
