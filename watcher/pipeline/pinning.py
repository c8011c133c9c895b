"""What an event says of a tag, held against the registry: events come late and in any order, the registry is asked now."""

import asyncio
from dataclasses import dataclass

from watcher.backlog.protocol import Job, Lane
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, PermanentError
from watcher.model.reference import Reference, Tag
from watcher.registry.protocol import Registries

# Of more tags than this on one digest, the others are believed.
TAGS_ASKED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The digest to judge, and which of the job's tags lead to it. `moved` are those that lead elsewhere or nowhere by now."""

    digest: Digest
    tags: tuple[Tag, ...]
    moved: tuple[Tag, ...] = ()


async def pin(job: Job, registries: Registries) -> Pinned:
    """Find the digest of a job that has only a tag, and check the tags of one that has a digest.

    Raises:
        NotFoundError: there is only a tag, and it leads nowhere.
        RetryableError: the registry cannot say now.
    """
    push = job.push

    async def named(tag: Tag) -> Digest | None:
        return await registries.head(Reference(registry=push.registry, repository=push.repository, tag=tag))

    if push.digest is None:
        digest = await named(push.tag) if push.tag is not None else None
        if digest is None:
            raise NotFoundError(f"{push.registry}/{push.repository}:{push.tag} does not exist")
        return Pinned(digest=digest, tags=job.tags)
    if job.lane is Lane.CI:
        return Pinned(digest=push.digest, tags=job.tags)  # resolved when it was submitted, and somebody waits
    digest = push.digest

    async def leads_there(tag: Tag) -> bool:
        try:
            return await named(tag) == digest
        except PermanentError:
            return True  # a registry that refuses to say does not say otherwise

    answers = await asyncio.gather(*(leads_there(tag) for tag in job.tags[:TAGS_ASKED]))
    moved = {tag for tag, answer in zip(job.tags, answers, strict=False) if not answer}
    return Pinned(digest=digest, tags=tuple(tag for tag in job.tags if tag not in moved), moved=tuple(sorted(moved)))
