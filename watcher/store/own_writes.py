"""Digests that we wrote into registries ourselves, so that the events of our own writes start no work."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from watcher.kit.clock import Clock
from watcher.model.digest import Digest
from watcher.model.reference import Tag
from watcher.store.statements import Transactions, insert_new, parts
from watcher.store.tables import own_write

# Senders repeat an event for a week at most; a month also covers a queue that was stopped. An older one of ours that is
# announced again is still found not to be an image, only later, by looking at it.
KEPT = timedelta(days=30)
# What a sweep sees again is noted so often.
SEEN_AGAIN = timedelta(days=1)


class OwnWriteStore:
    """`OwnWrites` of watcher/publishing/protocol.py.

    `alone` says that nobody else claims in this database: what is remembered is then all there is. `constant` are ours whether
    anybody claimed them or not.
    """

    def __init__(
        self, database: Transactions, clock: Clock, *, alone: bool = False, constant: Collection[Digest] = frozenset()
    ) -> None:
        self._database = database
        self._clock = clock
        self._alone = alone
        self._constant = frozenset(constant)
        # The first 64 bits of every digest that may be ours: an event of somebody else's push, which nearly every event is, then
        # costs no question to the database. A million of them take 70 MB.
        self._hints: set[int] = set()
        self._hints_read = False

    async def claim(self, digests: Collection[Digest], *, under: Tag | None = None) -> None:
        """See `OwnWrites.claim`."""
        self._hints.update(map(_hint, digests))
        now = self._clock()
        said = {"claimed_at": now, "tag": under or "", "is_gone": False}
        rows = [{"digest": digest, **said} for digest in sorted(digests)]

        def write(connection: Connection) -> None:
            connection.execute(delete(own_write).where(own_write.c.claimed_at < now - KEPT))
            for part in parts(rows):
                again = own_write.c.digest.in_([row["digest"] for row in part])
                connection.execute(update(own_write).where(again).values(**said))
            insert_new(connection, own_write, rows)

        await self._database.write(write)

    async def forget(self, digests: Collection[Digest]) -> None:
        """See `OwnWrites.forget`."""
        rows = sorted(digests)

        def write(connection: Connection) -> None:
            for part in parts(rows):
                connection.execute(update(own_write).where(own_write.c.digest.in_(part)).values(is_gone=True))

        if rows:
            await self._database.write(write)

    async def forgotten(self, digest: Digest) -> bool:
        """See `OwnWrites.forgotten`."""
        row = select(own_write.c.is_gone).where(own_write.c.digest == digest)
        return bool(await self._database.read(lambda connection: connection.execute(row).scalar_one_or_none()))

    async def claimed(self, digests: Collection[Digest]) -> Mapping[Digest, Tag | None]:
        """See `OwnWrites.claimed`."""
        if self._alone and not self._hints_read:
            await self._read_hints()
        ours: dict[Digest, Tag | None] = dict.fromkeys(self._constant.intersection(digests))
        asked = sorted(each for each in digests if each not in ours and (not self._alone or _hint(each) in self._hints))
        if not asked:
            return ours

        def read(connection: Connection) -> Mapping[Digest, Tag | None]:
            rows = select(own_write.c.digest, own_write.c.tag).where(~own_write.c.is_gone)
            return {
                Digest(digest): Tag(tag) if tag else None
                for part in parts(asked)
                for digest, tag in connection.execute(rows.where(own_write.c.digest.in_(part)))
            }

        return {**await self._database.read(read), **ours}

    async def keep(self, digests: Collection[Digest]) -> None:
        """See `OwnWrites.keep`. Written at most once a day."""
        now = self._clock()
        seen = sorted(digests)
        old = (own_write.c.claimed_at < now - SEEN_AGAIN, ~own_write.c.is_gone)

        def read(connection: Connection) -> list[str]:
            rows = select(own_write.c.digest).where(*old)
            return [each for part in parts(seen) for each in connection.execute(rows.where(own_write.c.digest.in_(part))).scalars()]

        due = await self._database.read(read) if seen else []

        def write(connection: Connection) -> None:
            for part in parts(due):
                connection.execute(update(own_write).where(*old, own_write.c.digest.in_(part)).values(claimed_at=now))

        if due:
            await self._database.write(write)

    async def _read_hints(self) -> None:
        def read(connection: Connection) -> set[int]:
            return {_hint(digest) for digest in connection.execute(select(own_write.c.digest)).scalars()}

        self._hints |= await self._database.read(read)
        self._hints_read = True


def _hint(digest: str) -> int:
    """Which of two digests it is, in all likelihood."""
    return int(digest.partition(":")[2][:16], 16)
