"""The first loop: delivery → dialect → backlog. When it returns, everything in the delivery is on disk."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from watcher.backlog.protocol import Arrival, Fate, Inbox, Lane, Receipt
from watcher.dialects.protocol import Delivery, Dialect
from watcher.kit.clock import Clock
from watcher.kit.seldom import Seldom
from watcher.model.digest import Digest
from watcher.model.errors import RetryableError
from watcher.model.image import INDEX_TYPES
from watcher.model.push import EXCERPT_BYTES, Decision, Deleted, Handshake, Ignored, Push, Pushed, Rejected
from watcher.model.reference import Tag
from watcher.pipeline.shared_calls import SharedCalls
from watcher.publishing.protocol import OwnWrites
from watcher.sources.protocol import Accepted

log = structlog.get_logger(__name__)

# Clients push the children of an index first, by digest; the index follows within a second and judges them with it.
WAIT_FOR_INDEX_SECONDS = 5.0
# Some senders say neither when nor which event it is. So long an equal body is their repetition, and after it a new event: Quay
# tries five times within three minutes, and says the same of every push of a tag.
SAME_BODY_SECONDS = 600.0


SecondLooks = Callable[[Deleted], Awaitable[Sequence[Push]]]


async def no_looks(_: Deleted) -> Sequence[Push]:
    """Nothing is known of any tag."""
    return ()


@dataclass(slots=True, kw_only=True)
class DurableIntake:
    """`Intake` of watcher/sources/protocol.py, and `Submissions` of watcher/api/context.py.

    `dialects` is by source. `counted` is told (source, fate, reason), `refused` (source, reason, how many) of what could not be
    kept. `second_looks` says what to look at again when something was deleted.
    """

    dialects: Mapping[str, Dialect]
    backlog: Inbox
    own_writes: OwnWrites
    clock: Clock
    counted: Callable[[str, str, str], None]
    refused: Callable[[str, str, int], None] = lambda _source, _reason, _events: None
    second_looks: SecondLooks = no_looks
    seldom: Seldom = field(default_factory=Seldom)
    _calls: SharedCalls[Arrival, Receipt] = field(init=False)

    def __post_init__(self) -> None:
        self._calls = SharedCalls(self._keep)

    async def __call__(self, source: str, delivery: Delivery) -> Accepted:
        """Take one delivery in.

        Raises:
            RetryableError: nothing of it may be acknowledged.
        """
        decisions = self._decide(source, delivery)
        arrivals = self._arrivals(source, delivery, decisions)
        accepted = await self._take(source, arrivals, await self._looks_again(arrivals))
        shaken = next((each for each in decisions if isinstance(each, Handshake)), None)
        return replace(accepted, handshake=shaken) if shaken else accepted

    async def again(self, source: str, delivery: Delivery) -> Accepted:
        """Take in what an operator wants read anew, though it arrived before: nothing of it counts as a repetition.

        Raises:
            RetryableError: nothing of it was kept.
        """
        arrivals = self._arrivals(source, delivery, self._decide(source, delivery))
        return await self._take(source, [_renewed(each) for each in arrivals], await self._looks_again(arrivals))

    async def pushed_again(self, source: str, pushes: Sequence[Push]) -> Accepted:
        """Take in images that an operator wants judged anew, as if they had been pushed now.

        Raises:
            RetryableError: nothing of it was kept.
        """
        now = self.clock()
        arrivals = [Arrival(source=source, decision=Pushed(push=each), delivery_key=None, received_at=now) for each in pushes]
        return await self._take(source, [_renewed(each) for each in arrivals])

    async def found(self, source: str, pushes: Sequence[Push], *, fresh: bool = False) -> Accepted:
        """Take in what a sweep found: images that nobody told us of, or that have no verdict any more. See `Intake.found`.

        Raises:
            RetryableError: nothing of it was kept.
        """
        now = self.clock()
        return await self._take(
            source,
            [
                Arrival(
                    source=source,
                    decision=Pushed(push=push),
                    delivery_key=None,
                    received_at=now,
                    lane=Lane.PUSH if fresh else Lane.SWEEP,
                )
                for push in pushes
            ],
        )

    async def submit(self, source: str, push: Push, *, environment: str | None) -> str:
        """Take in what somebody waits for; the id of the job that it became, or is part of.

        Raises:
            RetryableError: nothing of it was kept.
        """
        job_id = uuid4().hex
        arrival = Arrival(
            source=source,
            decision=Pushed(push=push),
            delivery_key=job_id,
            received_at=self.clock(),
            lane=Lane.CI,
            environment=environment,
            job_id=job_id,
        )
        (receipt,) = await self._keep_counted(source, [arrival])
        return receipt.job_id or job_id

    async def _keep_counted(self, source: str, arrivals: Sequence[Arrival], looks: Sequence[Arrival] = ()) -> Sequence[Receipt]:
        """The receipts of `arrivals`. `looks` are kept with them, and were sent by nobody."""
        try:
            receipts = (await self._calls.together([*arrivals, *looks]))[: len(arrivals)]
        except RetryableError as error:
            self.refused(source, error.reason, len(arrivals))
            raise
        for receipt in receipts:
            self.counted(source, receipt.fate.value, receipt.reason)
        return receipts

    async def _looks_again(self, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """What is looked at again since something is said to be deleted."""
        return [
            Arrival(
                source=each.source,
                decision=Pushed(push=push),
                delivery_key=f"{each.delivery_key}/{push.tag or push.digest}",
                received_at=each.received_at,
                lane=Lane.REEVALUATE,
            )
            for each in arrivals
            if isinstance(each.decision, Deleted)
            for push in await self.second_looks(each.decision)
        ]

    async def _take(self, source: str, arrivals: Sequence[Arrival], looks: Sequence[Arrival] = ()) -> Accepted:
        receipts = await self._keep_counted(source, arrivals, looks)
        for arrival in arrivals:
            if isinstance(arrival.decision, Rejected):
                self._say_rejected(source, arrival.decision)
        fates = [receipt.fate for receipt in receipts]  # counted without a hash of each, which an Enum takes in Python
        return Accepted(
            accepted=fates.count(Fate.ACCEPTED),
            ignored=fates.count(Fate.IGNORED),
            duplicates=fates.count(Fate.DUPLICATE),
            rejected=fates.count(Fate.REJECTED),
        )

    def _say_rejected(self, source: str, decision: Rejected) -> None:
        """Each is in the inbox."""
        if times := self.seldom.times(f"{source} {decision.reason}"):
            log.warning("event.rejected", source=source, reason=decision.reason, detail=decision.detail, times=times)

    def _decide(self, source: str, delivery: Delivery) -> Sequence[Decision]:
        if delivery.whole_bytes is not None:
            return [Rejected(reason="too-large", detail=f"a body of {delivery.whole_bytes} bytes or more")]
        return self.dialects[source].read(delivery)

    def _arrivals(self, source: str, delivery: Delivery, decisions: Sequence[Decision]) -> Sequence[Arrival]:
        now = self.clock()
        excerpt = _excerpt(delivery) if any(isinstance(each, Rejected) for each in decisions) else {}
        return [
            Arrival(
                source=source,
                decision=decision,
                delivery_key=key,
                received_at=now,
                lane=Lane.SWEEP if isinstance(decision, Pushed) and decision.doubt else Lane.PUSH,
                wait_seconds=_wait_seconds(decision),
                **(excerpt if isinstance(decision, Rejected) else {}),
            )
            for decision, key in zip(decisions, _delivery_keys(delivery, decisions, now), strict=True)
        ]

    async def _keep(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        """Put on disk what may be of several deliveries, and with it that what we pushed ourselves is no work.

        That is decided by the digests we recorded before pushing, never by a name or an agent.
        """
        digests = {each.decision.push.digest for each in arrivals if isinstance(each.decision, Pushed)} - {None}
        ours = await self.own_writes.claimed({digest for digest in digests if digest}) if digests else {}
        return await self.backlog.put([_ignored(each) if _is_one_of(each, ours) else each for each in arrivals])


def _is_one_of(arrival: Arrival, ours: Mapping[Digest, Tag | None]) -> bool:
    """Whether it announces what we wrote. Whoever asks for something is answered, whose ever it is."""
    if not isinstance(arrival.decision, Pushed) or arrival.lane is Lane.CI:
        return False
    push = arrival.decision.push
    return push.digest is not None and push.digest in ours and ours[push.digest] in {None, push.tag}


def _ignored(arrival: Arrival) -> Arrival:
    event_id = _event_id(arrival.decision)
    return replace(arrival, decision=Ignored(reason="published-by-us", event_id=event_id), wait_seconds=0.0)


def _renewed(arrival: Arrival) -> Arrival:
    return replace(arrival, delivery_key=f"again:{uuid4().hex}")


def _excerpt(delivery: Delivery) -> dict[str, Any]:
    return {
        "excerpt": delivery.body[:EXCERPT_BYTES],
        "body_sha256": delivery.whole_sha256 or hashlib.sha256(delivery.body).hexdigest(),
        "body_bytes": len(delivery.body) if delivery.whole_bytes is None else delivery.whole_bytes,
    }


def _wait_seconds(decision: Decision) -> float:
    """A manifest without a tag may be a child of an index that is about to arrive; an index is not."""
    if isinstance(decision, Pushed) and decision.push.tag is None and decision.push.media_type not in INDEX_TYPES:
        return WAIT_FOR_INDEX_SECONDS
    return 0.0


def _delivery_keys(delivery: Delivery, decisions: Sequence[Decision], now: datetime) -> Sequence[str]:
    """What makes a repeated delivery recognisable: the sender's id of each event, else the body and the event's place in it."""
    ids = [_event_id(decision) for decision in decisions]
    if all(ids):
        return [event_id for event_id in ids if event_id]
    body = delivery.whole_sha256 or hashlib.sha256(_canonical(delivery.body)).hexdigest()
    period = int(now.timestamp() // SAME_BODY_SECONDS)
    return [
        event_id or f"sha256:{body}/{index}{'' if _is_dated(decision) else f'/{period}'}"
        for index, (event_id, decision) in enumerate(zip(ids, decisions, strict=True))
    ]


def _is_dated(decision: Decision) -> bool:
    return isinstance(decision, Pushed) and decision.push.occurred_at is not None


def _event_id(decision: Decision) -> str | None:
    match decision:
        case Pushed(push=push):
            return push.event_id
        case Deleted(event_id=event_id) | Ignored(event_id=event_id) | Rejected(event_id=event_id):
            return event_id
        case Handshake():
            return None


def _canonical(body: bytes) -> bytes:
    """JSON with sorted keys where it is JSON: a sender that repeats itself need not repeat its white space."""
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return body
