"""What events said of pushes, for those who lead tags elsewhere: theirs may have hidden somebody's push."""

from datetime import datetime

from watcher.backlog.protocol import BacklogReader
from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.publishing.protocol import PushedAs

# Of the newest events so many are looked at: what was pushed seconds ago is among them wherever that matters.
NEWEST = 200


class StoredPushes:
    """`Pushes` of watcher/publishing/protocol.py."""

    def __init__(self, jobs: BacklogReader) -> None:
        self._jobs = jobs

    async def pushed_as(self, verdict_id: str) -> PushedAs | None:
        """See `Pushes.pushed_as`. A verdict has the id of the job that led to it."""
        job = await self._jobs.job(verdict_id)
        return None if job is None else PushedAs(tags=job.tags, received_at=job.received_at, occurred_at=job.occurred_at)

    async def last_pushed(self, registry: Host, repository: RepositoryName, tag: Tag, since: datetime) -> Digest | None:
        """See `Pushes.last_pushed`."""
        for each in await self._jobs.events(limit=NEWEST):
            if (each.registry, each.repository, each.tag) == (registry, repository, tag) and each.digest:
                return Digest(each.digest) if each.received_at >= since else None
        return None
