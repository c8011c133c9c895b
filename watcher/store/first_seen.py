"""Since when something is known here."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from watcher.kit.memory import Memory
from watcher.store.statements import Transactions, insert_new, parts
from watcher.store.tables import first_seen

# Some 15 MiB: as many as the images of a fleet have between them, most of which share theirs.
MOST_REMEMBERED = 50_000


class StoredFirstSeen:
    """`FirstSeen` of watcher/advisories/protocol.py. What was read is remembered, since it never changes."""

    def __init__(self, database: Transactions, *, limit: int = MOST_REMEMBERED) -> None:
        self._database = database
        self._remembered = Memory[str, datetime](limit)

    async def first_seen(self, keys: Collection[str], *, now: datetime) -> Mapping[str, datetime]:
        """See `FirstSeen.first_seen`."""
        known = self._remembered.known(keys)
        asked = set(keys) - known.keys()
        if asked:
            read = await self._read(asked, now)
            for key, seen_at in read.items():
                self._remembered.keep(key, seen_at)
            known.update(read)
        return known

    async def _read(self, keys: Collection[str], now: datetime) -> Mapping[str, datetime]:
        known = await self._database.read(lambda connection: _known(connection, keys))
        new = sorted(set(keys) - known.keys())
        if not new:
            return known

        def write(connection: Connection) -> Mapping[str, datetime]:
            insert_new(connection, first_seen, [{"key": key, "seen_at": now} for key in new])
            return _known(connection, new)

        return {**known, **await self._database.write(write)}


def _known(connection: Connection, keys: Collection[str]) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for part in parts(sorted(keys)):
        rows = connection.execute(select(first_seen.c.key, first_seen.c.seen_at).where(first_seen.c.key.in_(part)))
        found.update((key, seen_at) for key, seen_at in rows)
    return found
