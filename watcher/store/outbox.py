"""Publications that are still to be made: at least once, in order per publisher and subject."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import random
from typing import Any

from sqlalchemy import Connection, exists, or_, select, update

from watcher.kit.backoff import Backoff
from watcher.kit.clock import Clock
from watcher.kit.wakeup import Wakeup
from watcher.store.protocol import Publication, Published, PublishFailed, PublishLater
from watcher.store.statements import Transactions
from watcher.store.tables import publication

# Longer than any publisher may take (two minutes), so that a lease runs out only under one that died, or stood still.
LEASE = timedelta(minutes=3)
FIRST_DELAY_SECONDS = 2.0
# A receiver that comes back is told within this time.
LONGEST_DELAY_SECONDS = 900.0
# Together with the delays, about a day: a destination that is down for longer needs a person, who finds it listed as failed.
MAX_ATTEMPTS = 100
MAX_NOTE = 4096
KEEP_EVERY = timedelta(minutes=1)
OPEN = ("waiting", "leased")


class StoredOutbox:
    """`Outbox` of watcher/store/protocol.py. `bell` is rung by who records verdicts; `jitter` gives numbers in [0, 1)."""

    def __init__(
        self,
        database: Transactions,
        clock: Clock,
        *,
        bell: Wakeup | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._max_attempts = max_attempts
        self._bell = bell or Wakeup()
        # Only the writer looks at these.
        self._latest = self._keep_at = datetime.min.replace(tzinfo=UTC)
        self._backoff = Backoff(first_seconds=FIRST_DELAY_SECONDS, longest_seconds=LONGEST_DELAY_SECONDS, jitter=jitter)

    async def recover(self) -> int:
        """Take back every lease, at the start of the one daemon: whoever held them is dead. Gives their number."""
        statement = update(publication).where(publication.c.state == "leased").values(**_waiting(self._clock()))
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def forgive(self) -> None:
        """Count no attempt of what is leased, at the orderly end of the one daemon."""
        statement = update(publication).where(publication.c.state == "leased").values(attempts=publication.c.attempts - 1)
        await self._database.write(lambda connection: connection.execute(statement))

    async def due(self, limit: int, *, working: Collection[Publication] = ()) -> Sequence[Publication]:
        """Take at most `limit` publications whose time has come; see `Outbox.due`."""
        now = self._clock()

        def run(connection: Connection) -> Sequence[Publication]:
            self._keep(connection, now)
            for each in working:
                _change(connection, each, {"lease_until": now + LEASE})
            connection.execute(
                update(publication).where(publication.c.state == "leased", publication.c.lease_until <= now).values(**_waiting(now))
            )
            # Oldest first per (publisher, subject): an open one holds back those after it, so no two are ever out at once.
            older = publication.alias()
            held_back = exists().where(
                older.c.subject == publication.c.subject,
                older.c.publisher == publication.c.publisher,
                older.c.state.in_(OPEN),
                older.c.id < publication.c.id,
            )
            statement = (
                select(publication)
                .where(publication.c.state == "waiting", publication.c.due_at <= now, ~held_back)
                .order_by(publication.c.due_at, publication.c.id)
                .limit(limit)
                # Where several write at a time, each takes what no other is just taking; SQLite has one writer and needs none.
                .with_for_update(skip_locked=True, of=publication)
            )
            taken = [
                Publication(
                    id=row.id,
                    verdict_id=row.verdict_id,
                    publisher=row.publisher,
                    attempt=row.attempts + 1,
                    progress=row.progress,
                    lease=row.lease + 1,
                )
                for row in connection.execute(statement)
            ]
            if taken:
                connection.execute(
                    update(publication)
                    .where(publication.c.id.in_([each.id for each in taken]))
                    .values(
                        state="leased",
                        attempts=publication.c.attempts + 1,
                        lease=publication.c.lease + 1,
                        lease_until=now + LEASE,
                    )
                )
            return taken

        return await self._database.write(run)

    def _keep(self, connection: Connection, now: datetime) -> None:
        """Now and then, and when the clock was set back: nothing waits, or is held, for longer than it may from now on."""
        if self._latest <= now < self._keep_at:
            self._latest = now
            return
        self._latest, self._keep_at = now, now + KEEP_EVERY
        waits, longest = publication.c.state == "waiting", now + timedelta(seconds=2 * LONGEST_DELAY_SECONDS)
        ahead = or_(publication.c.waits_since > now, publication.c.due_at > longest)
        connection.execute(update(publication).where(waits, publication.c.due_at > now, ahead).values(**_waiting(now)))
        held = publication.c.state == "leased", publication.c.lease_until > now + LEASE
        connection.execute(update(publication).where(*held).values(lease_until=now + LEASE))

    async def note(self, publication: Publication, progress: str) -> None:
        """Keep `progress` for the next attempt."""
        if len(progress) > MAX_NOTE:
            raise ValueError(f"a note of {len(progress)} characters")
        await self._database.write(lambda connection: _change(connection, publication, {"progress": progress}))

    async def settle(self, publication: Publication, result: Published | PublishLater | PublishFailed) -> None:
        """Close or release a publication. One whose lease has passed to another attempt is left alone."""
        values = {"lease_until": None, **self._settled(publication, result, self._clock())}
        await self._database.write(lambda connection: _change(connection, publication, values))
        self._bell.ring()  # the next one of its subject is held back no longer

    async def wait(self, seconds: float) -> None:
        """Return when there may be something new due; see `Outbox.wait`."""
        await self._bell.wait(seconds)

    def _settled(
        self, publication: Publication, result: Published | PublishLater | PublishFailed, now: datetime
    ) -> Mapping[str, Any]:
        match result:
            case Published():
                return {"state": "published", "reason": "", "detail": ""}
            case PublishLater(reason=reason, detail=detail) if publication.attempt < self._max_attempts:
                due_at = now + timedelta(seconds=self._delay(publication.attempt, result.delay_seconds))
                return {**_waiting(due_at, since=now), "reason": reason, "detail": detail}
            case PublishLater(reason=reason, detail=detail) | PublishFailed(reason=reason, detail=detail):
                return {"state": "failed", "reason": reason, "detail": detail}

    def _delay(self, attempt: int, asked_seconds: float | None) -> float:
        return self._backoff.after(attempt) if asked_seconds is None else min(asked_seconds, LONGEST_DELAY_SECONDS)


def _waiting(due_at: datetime, *, since: datetime | None = None) -> dict[str, Any]:
    return {"state": "waiting", "due_at": due_at, "waits_since": since or due_at, "lease_until": None}


def _change(connection: Connection, taken: Publication, values: Mapping[str, Any]) -> None:
    """Nothing when the lease has passed to another attempt."""
    connection.execute(
        update(publication)
        .where(publication.c.id == taken.id, publication.c.state == "leased", publication.c.lease == taken.lease)
        .values(**values)
    )
