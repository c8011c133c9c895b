"""What events said of pushes, for those who lead tags elsewhere: theirs may have hidden somebody's push."""

from collections.abc import Sequence
from datetime import datetime

from watcher.backlog.protocol import BacklogReader
from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.publishing.protocol import PushedAs, TagPush


class StoredPushes:
    """`Pushes` of watcher/publishing/protocol.py."""

    def __init__(self, jobs: BacklogReader) -> None:
        self._jobs = jobs

    async def pushed_as(self, verdict_id: str) -> PushedAs | None:
        """See `Pushes.pushed_as`. A verdict has the id of the job that led to it."""
        job = await self._jobs.job(verdict_id)
        return None if job is None else PushedAs(tags=job.tags, received_at=job.received_at, occurred_at=job.occurred_at)

    async def pushes(self, registry: Host, repository: RepositoryName, tag: Tag, since: datetime) -> Sequence[TagPush]:
        """See `Pushes.pushes`. Events may come in another order than what they tell of."""
        found = [
            TagPush(
                digest=Digest(each.digest) if each.digest else None,
                received_at=each.received_at,
                occurred_at=each.occurred_at,
                verdict_id=each.job_id,
                is_heard=each.is_heard,
            )
            for each in await self._jobs.pushes(registry, repository, tag, since)
        ]
        return sorted(found, key=lambda each: each.at, reverse=True)
