"""What is old enough goes: verdicts that a newer one of their subject replaced, and with them what hangs on them alone.

The newest verdict of a subject stays however old it is, and so do images, their places and the facts of their layers: they are
what bases are recognised by. What is still to be published, or has failed to be, keeps its verdict.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn

import structlog
from sqlalchemy import Connection, delete, exists, or_, select

from watcher.kit.clock import Clock
from watcher.model.errors import RetryableError
from watcher.store.statements import Transactions
from watcher.store.tables import findings, publication, verdict

log = structlog.get_logger(__name__)

# One step holds the writer for some milliseconds, and what waits meanwhile goes before the next.
STEP_VERDICTS = 200
PAUSE_SECONDS = 0.2
EVERY_SECONDS = 3600.0
OPEN = ("waiting", "leased", "failed")
# Nobody corrects a clock that runs by more than this at a time.
STEADY = timedelta(hours=1)
DOUBT = timedelta(days=1)
_NEWEST = select(verdict.c.evaluated_at).order_by(verdict.c.id.desc()).limit(1)


class Retention:
    """Looks through the verdicts once an hour, oldest first, in small steps."""

    def __init__(
        self, database: Transactions, clock: Clock, *, keep: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep
        self._monotonic = monotonic
        self._zero: datetime | None = None  # what the clock says the monotonic one began at
        self._believed_from = 0.0

    async def run(self) -> NoReturn:
        """Until cancelled. A store that cannot be written is tried again the next hour."""
        while True:
            try:
                removed = await self.prune() if await self.believes_the_clock() else 0
            except RetryableError as error:
                log.warning("retention.postponed", reason=error.reason, detail=str(error))
            else:
                if removed:
                    log.info("verdicts.removed", verdicts=removed, older_than_days=self._keep.days)
            await asyncio.sleep(EVERY_SECONDS)

    async def believes_the_clock(self) -> bool:
        """Whether the clock may say what is old.

        One that is years ahead for an hour must not cost years of history: unless there is a verdict of the last day when we begin,
        and whenever the clock is set, what it says counts only after a day.
        """
        now, steady = self._clock(), self._monotonic()
        zero = now - timedelta(seconds=steady)
        if self._zero is not None and abs(zero - self._zero) < STEADY:
            return steady >= self._believed_from
        newest = await self._database.read(lambda connection: connection.execute(_NEWEST).scalar_one_or_none())
        doubtful = self._zero is not None or (newest is not None and abs(now - newest) > DOUBT)
        if doubtful:
            log.warning(
                "retention.waits", hours=round(DOUBT / timedelta(hours=1)), detail="the clock was set, or nothing is of today"
            )
        self._zero, self._believed_from = zero, steady + (DOUBT.total_seconds() if doubtful else 0.0)
        return not doubtful

    async def prune(self) -> int:
        """Remove all that is old enough; how many verdicts that were."""
        before, after, removed = self._clock() - self._keep, 0, 0
        while True:
            last, gone = await self._database.write(lambda connection, after=after: _step(connection, after, before))  # type: ignore[misc]
            removed += gone
            if last is None:
                return removed
            after = last
            await asyncio.sleep(PAUSE_SECONDS)


def _step(connection: Connection, after: int, before: Any) -> tuple[int | None, int]:
    """The id it came to, None when there is nothing older behind it; and how many verdicts were removed."""
    looked_at = connection.execute(
        select(verdict.c.id, verdict.c.evaluated_at).where(verdict.c.id > after).order_by(verdict.c.id).limit(STEP_VERDICTS)
    ).all()
    old = [row.id for row in looked_at if row.evaluated_at < before]
    if not old:
        return None, 0
    rows = connection.execute(replaced(old)).all()
    _remove(connection, [row.id for row in rows], [row.verdict_id for row in rows], {row.findings_digest for row in rows})
    return old[-1], len(rows)


def replaced(ids: Sequence[int]) -> Any:
    """Those of the verdicts that are not what is true now of their subject, nor what somebody knows or is to be told of it.

    By the last that a destination was told it is known whether there is anything new for it.
    """
    newer, told, later, said = verdict.alias(), publication.alias(), publication.alias(), verdict.alias()
    stands_for_it = exists().where(
        newer.c.image_id == verdict.c.image_id,
        newer.c.registry == verdict.c.registry,
        newer.c.repository == verdict.c.repository,
        newer.c.environment == verdict.c.environment,
        newer.c.id != verdict.c.id,
        or_(
            newer.c.stands & ((newer.c.id > verdict.c.id) | ~verdict.c.stands),
            # Of what is gone nothing stands, and the last look at it is kept.
            newer.c.looked & (newer.c.id > verdict.c.id) & ~verdict.c.stands,
        ),
    )
    open_ones = exists().where(told.c.verdict_id == verdict.c.verdict_id, told.c.state.in_(OPEN))
    told_later = (
        exists()
        .where(later.c.subject == told.c.subject, later.c.publisher == told.c.publisher, later.c.state == "published")
        .where(later.c.id > told.c.id, said.c.verdict_id == later.c.verdict_id, said.c.environment == verdict.c.environment)
        .correlate(told, verdict)
    )
    last_told = exists().where(told.c.verdict_id == verdict.c.verdict_id, told.c.state == "published", ~told_later)
    columns = (verdict.c.id, verdict.c.verdict_id, verdict.c.findings_digest)
    return select(*columns).where(verdict.c.id.in_(ids), stands_for_it, ~open_ones, ~last_told)


def _remove(connection: Connection, ids: Sequence[int], verdict_ids: Sequence[str], digests: set[bytes]) -> None:
    if not ids:
        return
    connection.execute(delete(publication).where(publication.c.verdict_id.in_(verdict_ids)))
    connection.execute(delete(verdict).where(verdict.c.id.in_(ids)))
    connection.execute(unused(sorted(digests)))


def unused(digests: Sequence[bytes]) -> Any:
    """Removes those of the findings that no verdict has any more."""
    others = exists().where(verdict.c.findings_digest == findings.c.digest)
    return delete(findings).where(findings.c.digest.in_(digests), ~others)
