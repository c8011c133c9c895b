"""Dead letters of the outbox: listed, counted, and given another chance."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from watcher.kit.clock import Clock
from watcher.kit.wakeup import Wakeup
from watcher.model.reference import Tag
from watcher.store.outbox import told_later
from watcher.store.protocol import PUBLICATION, FailedPublication
from watcher.store.rows import subject_of
from watcher.store.statements import Transactions
from watcher.store.tables import publication, verdict

# Each has an index of its own; one look at all of them would read everything that was ever published.
_COUNTED = ("waiting", "leased", "failed")


class StoredFailedPublications:
    """`FailedPublications` of watcher/store/protocol.py. `bell` is the outbox's."""

    def __init__(self, database: Transactions, clock: Clock, *, bell: Wakeup | None = None) -> None:
        self._database = database
        self._clock = clock
        self._bell = bell or Wakeup()

    async def failed(self, *, before_id: str | None = None, limit: int = 100) -> Sequence[FailedPublication]:
        """Newest first, older than the publication `before_id`."""
        joined = publication.join(verdict, verdict.c.verdict_id == publication.c.verdict_id)
        columns = [verdict.c[name] for name in ("registry", "repository", "digest", "environment", "tag", "tags")]
        statement = select(publication, *columns).select_from(joined).where(publication.c.state == "failed")
        if before_id is not None:
            statement = statement.where(publication.c.id < _number(before_id))
        newest = statement.order_by(publication.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(newest).all())
        return [
            FailedPublication(
                id=f"{PUBLICATION}{row.id}",
                publisher=row.publisher,
                verdict_id=row.verdict_id,
                subject=subject_of(row),
                tag=Tag(row.tag) if row.tag else None,
                attempts=row.attempts,
                reason=row.reason,
                detail=row.detail,
                failed_at=row.waits_since or row.due_at,
            )
            for row in rows
        ]

    async def replay(self, publication_id: str) -> bool:
        """Make it wait again, with all its attempts before it; false when it is not among those that failed."""
        now = self._clock()
        tried = {"attempts": 0, "outside": 0, "outside_seconds": 0.0}
        again = {"state": "waiting", "due_at": now, "waits_since": now, "reason": "replayed", "detail": "", **tried}
        failed = publication.c.id == _number(publication_id), publication.c.state == "failed"
        too_late = {"state": "superseded", "reason": "superseded", "detail": "a newer verdict was told"}

        def run(connection: Connection) -> bool:
            late = connection.execute(update(publication).where(*failed, told_later(publication)).values(**too_late)).rowcount
            return bool(late or connection.execute(update(publication).where(*failed).values(**again)).rowcount)

        changed = await self._database.write(run)
        self._bell.ring()
        return changed

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """How many there are per (publisher, state)."""

        def read(connection: Connection) -> Mapping[tuple[str, str], int]:
            found: dict[tuple[str, str], int] = {}
            for state in _COUNTED:
                counted = select(publication.c.publisher, func.count()).where(publication.c.state == state)
                for publisher, count in connection.execute(counted.group_by(publication.c.publisher)):
                    found[publisher, state] = count
            return found

        return await self._database.read(read)

    async def oldest(self) -> Mapping[str, datetime]:
        """Of those that wait, per publisher, when the oldest was judged."""
        first = select(func.min(publication.c.id)).where(publication.c.state == "waiting").group_by(publication.c.publisher)
        joined = publication.join(verdict, verdict.c.verdict_id == publication.c.verdict_id)
        rows = select(publication.c.publisher, verdict.c.evaluated_at).select_from(joined).where(publication.c.id.in_(first))
        return await self._database.read(lambda connection: {row.publisher: row.evaluated_at for row in connection.execute(rows)})


def _number(publication_id: str) -> int:
    """The number in an id; that of no publication where it is none."""
    text = publication_id.removeprefix(PUBLICATION)
    return int(text) if publication_id.startswith(PUBLICATION) and text.isascii() and text.isdecimal() and len(text) < 19 else -1
