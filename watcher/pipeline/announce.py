"""The third loop: outbox → publishers. At least once; a publication that fails waits, its neighbours do not."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NoReturn

import structlog

from watcher.kit.clock import Clock, utc_now
from watcher.kit.retry_after import pause_seconds
from watcher.kit.seldom import Seldom
from watcher.model.errors import PermanentError, RetryableError
from watcher.model.publication import Publication, Published, PublishFailed, PublishLater, Settled, Unwanted
from watcher.model.reference import Host
from watcher.model.verdict import Verdict
from watcher.pipeline.destinations import SLOTS, Destination
from watcher.pipeline.draining import Draining
from watcher.pipeline.essence import Essences
from watcher.pipeline.outages import Outages
from watcher.pipeline.settling import settled
from watcher.pipeline.shared_calls import SharedCalls
from watcher.publishing.protocol import News, Publisher, Standing
from watcher.store.protocol import Outbox, VerdictStore

log = structlog.get_logger(__name__)

# A publisher has its own shorter limits; this one ends a publisher that forgot.
PUBLISH_SECONDS = 120.0
IDLE_SECONDS = 1.0
# What ends or begins within this time is asked for at once: a look costs a flush of the disk.
GATHER_SECONDS = 0.005
# Verdicts of one message that are in memory as a whole at a time.
READ_TOGETHER = 50
# Taken of one destination at a time, so that the store is asked less often than once for each.
SHARE = SLOTS // 2
# After a message that went out nothing waits longer for it to be noted.
NOTED_SECONDS = 5.0
# Of a parcel that failed, so many in a row tell that it is not about one of them.
GIVEN_UP_AFTER = 3
INTERNAL = "internal"
# How often leases are renewed of what is under way: far more often than they run out.
RENEWED_EVERY = timedelta(seconds=20)

Place = tuple[str, Host | None]
"""A publisher, for the images of a registry where it writes into that."""


@dataclass(slots=True, kw_only=True)
class Announcer:
    """`destinations` are by name. `counted` is told (publisher, result)."""

    outbox: Outbox
    verdicts: VerdictStore
    destinations: Mapping[str, Destination]
    counted: Callable[[str, str], None]
    clock: Clock = utc_now
    seldom: Seldom = field(default_factory=Seldom)
    outages: Outages[Place] = field(default_factory=lambda: Outages(kind="publisher", label=place_name))
    _draining: Draining = field(default_factory=Draining, init=False)
    _running: dict[int, Publication] = field(default_factory=dict, init=False)  # by id
    _reading: SharedCalls[str, Verdict | None] = field(init=False)
    _renewed_at: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)

    def __post_init__(self) -> None:
        self._reading = SharedCalls(self._read)

    async def open(self) -> None:
        """Say of every destination how it is, once. What has to be published waits for none of them."""
        async with asyncio.TaskGroup() as group:
            for destination in self.destinations.values():
                group.create_task(_open(destination.publisher), name=f"open-{destination.name}")

    async def run(self, publications: asyncio.TaskGroup) -> NoReturn:
        """Take what is due until cancelled. It is made in `publications`, and goes on when this loop fails and is run again.

        What is under way when `publications` is cancelled is announced again later.
        """
        for destination in self.destinations.values():
            if destination.holding is not None:
                await destination.holding.open(self.clock())
        while True:
            due = [] if self._draining.closing else await self._due()
            if not due:
                await self.outbox.wait(IDLE_SECONDS)
            for each in due:
                self._running[each.id] = each
            for parcel in self._parcels(due):
                self.outages.begun(self._place(parcel[0]), parcel[0].id)
                publications.create_task(self._work(parcel), name=f"announce-{parcel[0].id}")
            await asyncio.sleep(GATHER_SECONDS)

    async def close(self, seconds: float) -> int:
        """Begin nothing more, and give what is under way so many seconds; how many publications there are then."""
        return await self._draining.close(self._running, seconds)

    def standings(self) -> Mapping[str, Standing]:
        """How every destination is, by its name."""
        failing, now = {name for name, _ in self.outages.failing()}, self.clock()
        return {name: each.standing(now, reachable=name not in failing) for name, each in self.destinations.items()}

    async def _due(self) -> Sequence[Publication]:
        """A destination that is slow, or silent, has its own places full and nobody else's."""
        closed, now = self.outages.closed(), self.clock()
        busy = Counter(each.publisher for each in self._running.values())
        full = {name for name, count in busy.items() if count > SLOTS - SHARE}
        full |= {name for name, registry in closed if registry is None}
        together = {}
        for name, each in self.destinations.items():
            if each.holding is not None and each.gathers is not None:
                together[name] = replace(each.holding.window, until=each.holding.until(now))
                full |= {name} if busy[name] or each.holding.why(now) else set()
        without = [(name, registry) for name, registry in closed if registry is not None]
        working: Sequence[Publication] = ()
        if not timedelta() <= now - self._renewed_at < RENEWED_EVERY:
            working, self._renewed_at = tuple(self._running.values()), now
        failing = {name for name, _ in self.outages.failing()}
        return await self.outbox.due(SHARE, full=full, single=failing, together=together, working=working, without=without)

    def _parcels(self, due: Sequence[Publication]) -> Iterator[Sequence[Publication]]:
        gathered: defaultdict[str, list[Publication]] = defaultdict(list)
        for each in due:
            destination = self.destinations.get(each.publisher)
            if destination is not None and destination.gathers is not None:
                gathered[each.publisher].append(each)
            else:
                yield (each,)
        yield from gathered.values()

    async def _work(self, parcel: Sequence[Publication]) -> None:
        try:
            await self.announce(*parcel)
        except Exception:  # by a mistake of ours, which must not end the publications beside it
            # The lease runs out by itself and the publication is made again, which is harmless.
            log.exception("publication.unsettled", publisher=parcel[0].publisher)
        finally:
            self.outages.given_up(self._place(parcel[0]), parcel[0].id)
            for each in parcel:
                # What has passed to another holder, and from him back to us, is still under way.
                if self._running.get(each.id) is each:
                    del self._running[each.id]
            self._draining.ended()

    async def announce(self, *parcel: Publication) -> None:
        """Make publications to one destination, those of several in one message, and settle them."""
        destination = self.destinations.get(parcel[0].publisher)
        if destination is None:
            detail = f"{parcel[0].publisher} is no longer configured"
            results = Results(dict.fromkeys((each.id for each in parcel), PublishFailed(reason="no-such-publisher", detail=detail)))
        else:
            results = await self._made(destination, parcel)
            if len(parcel) > 1 and results.by_mistake:
                results = await self._one_by_one(destination, parcel)
        delay = self._outage(parcel[0], results)
        await asyncio.gather(*(self._settle(each, _put_off(results.of[each.id], delay)) for each in parcel))
        if destination is not None:
            for result in results.of.values():
                destination.settled(result)
            await self._count(destination, results)

    async def _count(self, destination: Destination, results: "Results") -> None:
        """What was sent counts for the budget. It is not sent once more where that cannot be noted."""
        if destination.holding is not None and Published() in results.of.values():
            with suppress(RetryableError, TimeoutError):
                async with asyncio.timeout(NOTED_SECONDS):
                    await destination.holding.sent(self.clock())

    async def _one_by_one(self, destination: Destination, parcel: Sequence[Publication]) -> "Results":
        """What failed together is told apart: one that cannot be told keeps no other from it. Until it is clear that none can."""
        ended: dict[int, Settled] = {}
        last, in_a_row, asked = Results({}), 0, False
        for each in parcel:
            if in_a_row < GIVEN_UP_AFTER:
                last = await self._made(destination, (each,))
                in_a_row = in_a_row + 1 if last.by_mistake else 0
                asked = asked or last.asked
            ended[each.id] = last.of.get(each.id, last.last)
        return Results(ended, asked=asked, last=last.last)

    async def _settle(self, publication: Publication, result: Settled) -> None:
        self.counted(publication.publisher, _word(result))
        settle = partial(self.outbox.settle, publication, result)
        failed = await settled(settle, told=log.bind(publisher=publication.publisher), event="publication.unsettled")
        if failed is not None:
            if failed != result:
                self.counted(publication.publisher, _word(failed))
            # Each is listed among the dead letters.
            times = self.seldom.times(f"{publication.publisher} {publication.registry} {failed.reason}")
            if not times:
                return
            log.error(
                "publication.failed",
                publisher=publication.publisher,
                times=times,
                image=publication.subject,
                verdict_id=publication.verdict_id,
                reason=failed.reason,
                detail=failed.detail,
                attempt=publication.attempt,
            )

    def _outage(self, first: Publication, results: "Results") -> float | None:
        """What met a destination that does not answer waits for it together with all others: for so many seconds."""
        if not results.asked:
            self.outages.given_up(self._place(first), first.id)
            return None
        later = next((each for each in results.of.values() if isinstance(each, PublishLater)), None)
        reason, asked = (later.reason, later.delay_seconds) if later else ("", None)
        return self.outages.ended(self._place(first), first.id, reason, asked)

    async def _made(self, destination: Destination, parcel: Sequence[Publication]) -> "Results":
        """How each of them ended."""
        decided: dict[int, Settled] = {}
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._tell(destination, parcel, decided)
        except RetryableError as error:
            asked = error.retry_after_seconds
            delay = None if asked is None else pause_seconds(asked)
            result: Settled = PublishLater(reason=error.reason, detail=str(error), delay_seconds=delay, outside=error.outside)
        except PermanentError as error:
            result = PublishFailed(reason=error.reason, detail=str(error))
        except TimeoutError:
            detail = f"{destination.name} took longer than {PUBLISH_SECONDS:.0f} s"
            result = PublishLater(reason="timed-out", detail=detail, outside=True)
        except Exception as error:  # the job boundary: one bad verdict must not stop the others
            log.exception("publication.crashed", publisher=destination.name, verdict_id=parcel[0].verdict_id)
            result = PublishLater(reason=INTERNAL, detail=type(error).__name__)
        else:
            result = Published()
        return Results({each.id: decided.get(each.id, result) for each in parcel}, asked=len(decided) < len(parcel), last=result)

    async def _tell(self, destination: Destination, parcel: Sequence[Publication], decided: dict[int, Settled]) -> None:
        """Tell of what it wants to know; what became of the others is put into `decided`."""
        news: list[tuple[Publication, News]] = []
        essences = Essences()
        for place in range(0, len(parcel), READ_TOGETHER):
            for each, found in await self._news(destination, parcel[place : place + READ_TOGETHER]):
                if isinstance(found, News):
                    news.append((each, found if len(parcel) == 1 else essences.of(found)))
                else:
                    decided[each.id] = found
        if not news:
            return
        holding, gathers = destination.holding, destination.gathers
        held = holding.held(min(each.due_at for each, _ in news)) if holding is not None else ""
        if len(news) == 1 and len(parcel) > 1 and not held:
            # It is told by itself, so as a whole.
            ((publication, found),) = news
            whole = await self.verdicts.verdict(publication.verdict_id)
            news = [(publication, replace(found, verdict=whole or found.verdict))]
        if gathers is not None:
            await gathers.publish_together([found for _, found in news], held)
        else:
            for publication, found in news:
                await destination.publisher.publish(found.verdict, Noted(self.outbox, publication))

    async def _news(
        self, destination: Destination, publications: Sequence[Publication]
    ) -> Sequence[tuple[Publication, News | Settled]]:
        """Of each what is to be told, or why nothing is. Several destinations are told of one verdict at a time."""
        names = sorted({name for each in publications for name in (each.verdict_id, each.told) if name})
        known = dict(zip(names, await self._reading.together(names), strict=True))
        return [(each, _news(destination, each, known)) for each in publications]

    async def _read(self, names: Sequence[str]) -> Sequence[Verdict | None]:
        known = await self.verdicts.several({*names})
        return [known.get(name) for name in names]

    def _place(self, publication: Publication) -> Place:
        destination = self.destinations.get(publication.publisher)
        in_registry = destination is None or destination.in_registry
        return publication.publisher, publication.registry if in_registry else None


@dataclass(frozen=True, slots=True)
class Results:
    """By the ids of publications. `asked`: the destination was, at all; `last` is what that came to."""

    of: dict[int, Settled]
    asked: bool = False
    last: Settled = field(default_factory=Published)

    @property
    def by_mistake(self) -> bool:
        """It failed over something that may be wrong with one of them."""
        return isinstance(self.last, PublishFailed) or (isinstance(self.last, PublishLater) and self.last.reason == INTERNAL)


class Noted:
    """`Progress` of watcher/publishing/protocol.py, kept with the publication."""

    def __init__(self, outbox: Outbox, publication: Publication) -> None:
        self.noted = publication.progress
        self._outbox = outbox
        self._publication = publication

    async def note(self, text: str) -> None:
        await self._outbox.note(self._publication, text)
        self.noted = text


def place_name(place: Place) -> str:
    """As logs and metrics call a publisher, for the images of one registry."""
    publisher, registry = place
    return publisher if registry is None else f"{publisher} for {registry}"


async def _open(publisher: Publisher) -> None:
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await publisher.open()
    except (RetryableError, PermanentError) as error:
        log.warning("publisher.unavailable", publisher=publisher.name, reason=error.reason, detail=str(error))
    except TimeoutError:
        log.warning("publisher.unavailable", publisher=publisher.name, reason="timed-out")
    except Exception:
        log.exception("publisher.unavailable", publisher=publisher.name, reason="internal")
    else:
        log.info("publisher.ready", publisher=publisher.name)


def _news(destination: Destination, publication: Publication, known: Mapping[str, Verdict | None]) -> News | Settled:
    """`known` are verdicts by their ids."""
    verdict = known.get(publication.verdict_id)
    if verdict is None:
        return PublishFailed(reason="no-such-verdict", detail="the verdict was removed")
    told = known.get(publication.told) if publication.told else None
    # What was told and is not kept any more may have been anything.
    perhaps = publication.tried or (publication.told is not None and told is None)
    reason = destination.unwanted(verdict, told, perhaps_told=perhaps)
    return News(verdict=verdict, told=told) if reason is None else Unwanted(reason=reason)


def _put_off(result: Settled, seconds: float | None) -> Settled:
    return replace(result, delay_seconds=seconds) if isinstance(result, PublishLater) and seconds is not None else result


def _word(result: Settled) -> str:
    match result:
        case Published():
            return "published"
        case Unwanted():
            return "unwanted"
        case PublishLater():
            return "retried"
        case PublishFailed():
            return "failed"
