"""Locks on what registries keep about images, kept in the store so that every process on it respects them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from watcher.kit.clock import Clock
from watcher.model.errors import RetryableError
from watcher.model.verdict import Subject
from watcher.store.statements import Transactions, insert_new
from watcher.store.tables import subject_lock

log = structlog.get_logger(__name__)

# How long a lock outlives a holder that died. What is done under one takes a second or two; a holder that is at it for longer
# says so again three times within this.
LEASE_SECONDS = 15.0
# Somebody of another process holds it: waited for a little longer each time, up to this.
LONGEST_WAIT_SECONDS = 0.5


class StoredSubjectLocks:
    """`SubjectLocks` of watcher/publishing/protocol.py."""

    def __init__(self, database: Transactions, clock: Clock, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        # Within this process one waits for the other without asking the database. Only subjects that somebody holds or waits for
        # are in here.
        self._queues: dict[str, tuple[asyncio.Lock, int]] = {}

    def lock(self, subject: Subject) -> AbstractAsyncContextManager[None]:
        """Hold (registry, repository, digest) so that only one of us edits its referrers and tags."""
        return self._queued(subject.name)

    @asynccontextmanager
    async def _queued(self, name: str) -> AsyncIterator[None]:
        queue, users = self._queues.get(name, (asyncio.Lock(), 0))
        self._queues[name] = (queue, users + 1)
        try:
            async with queue, self._held(name):
                yield
        finally:
            users = self._queues[name][1] - 1
            if users:
                self._queues[name] = (queue, users)
            else:
                del self._queues[name]

    @asynccontextmanager
    async def _held(self, name: str) -> AsyncIterator[None]:
        holder = secrets.token_hex(16)
        wait_seconds = 0.05
        while not await self._database.write(lambda connection: self._take(connection, name, holder)):
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, LONGEST_WAIT_SECONDS)
        renewing = asyncio.get_running_loop().create_task(self._renew(name, holder), name=f"lock-{name}")
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            # It also ends by itself, a few seconds later.
            with suppress(RetryableError):
                await self._database.write(lambda connection: _release(connection, name, holder))

    def _take(self, connection: Connection, name: str, holder: str) -> bool:
        """Whether `holder` has it now."""
        now = self._clock()
        # Whose lease ends later than any may was taken by a clock that was ahead.
        ended = or_(subject_lock.c.lease_until <= now, subject_lock.c.lease_until > now + 2 * self._lease)
        connection.execute(delete(subject_lock).where(subject_lock.c.subject == name, ended))
        insert_new(connection, subject_lock, [{"subject": name, "holder": holder, "lease_until": now + self._lease}])
        owner = connection.execute(select(subject_lock.c.holder).where(subject_lock.c.subject == name)).scalar_one()
        return str(owner) == holder

    async def _renew(self, name: str, holder: str) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                await self._database.write(lambda connection: self._prolong(connection, name, holder))
            except RetryableError as error:
                log.warning("lock.unrenewed", subject=name, reason=error.reason)

    def _prolong(self, connection: Connection, name: str, holder: str) -> None:
        until = self._clock() + self._lease
        connection.execute(update(subject_lock).where(*_held_by(name, holder)).values(lease_until=until))


def _release(connection: Connection, name: str, holder: str) -> None:
    connection.execute(delete(subject_lock).where(*_held_by(name, holder)))


def _held_by(name: str, holder: str) -> tuple[ColumnElement[bool], ...]:
    return subject_lock.c.subject == name, subject_lock.c.holder == holder
