"""What an event says of a tag, held against the registry: events come late and in any order, the registry is asked now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from watcher.backlog.protocol import Job, Lane
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, PermanentError
from watcher.model.push import Push
from watcher.model.quarantine import marker_tag
from watcher.model.reference import Reference, Tag
from watcher.registry.protocol import Registries

Known = Callable[[Digest], Awaitable[Sequence[Tag]]]
"""`await known(digest)`: the tags that lead to a digest, as far as is known."""

# Of more tags than this on one digest, the others are believed.
TAGS_ASKED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The digest to judge, and the tags that lead to it, of which it was `known` by some.

    `moved` are those of the job, `left` those it was known by, that lead elsewhere or nowhere by now; of `moved` with what they
    lead to. `marked`: it came by nothing but the marker that is made of its own digest.
    """

    digest: Digest
    tags: tuple[Tag, ...]
    known: tuple[Tag, ...] = ()
    moved: Mapping[Tag, Digest | None] = field(default_factory=dict)
    left: tuple[Tag, ...] = ()
    marked: bool = False


async def pin(job: Job, registries: Registries, known: Known) -> Pinned:
    """Find the digest of a job that has only a tag, and ask where the tags lead that it came by, and that it is known by.

    Raises:
        NotFoundError: there is only a tag, and it leads nowhere.
        RetryableError: the registry cannot say now.
    """
    push = job.push
    digest = push.digest or (await _head(registries, push, push.tag) if push.tag is not None else None)
    if digest is None:
        raise NotFoundError(f"{push.registry}/{push.repository}:{push.tag} does not exist")
    # The marker of an image says nothing of it that its digest does not: it is no name that people know it by.
    came_by = tuple(tag for tag in job.tags if tag != marker_tag(digest))
    known_by = await known(digest)
    before = [tag for tag in known_by if tag not in came_by]
    if job.lane is Lane.CI:
        # Resolved when it was submitted, and somebody waits.
        return Pinned(digest=digest, tags=(*came_by, *before), known=tuple(known_by))
    elsewhere = await led_elsewhere(registries, push, digest, (*(came_by if push.digest else ()), *before))
    return Pinned(
        digest=digest,
        tags=tuple(tag for tag in (*came_by, *before) if tag not in elsewhere),
        known=tuple(tag for tag in known_by if tag not in elsewhere),
        moved={tag: elsewhere[tag] for tag in sorted(elsewhere.keys() & {*came_by})},
        marked=bool(job.tags) and not came_by,
        left=tuple(sorted(elsewhere.keys() & {*known_by})),
    )


async def led_elsewhere(registries: Registries, push: Push, digest: Digest, tags: Sequence[Tag]) -> Mapping[Tag, Digest | None]:
    """Those of the tags that do not lead to the digest, with what they do lead to, in the repository of `push`.

    Raises:
        RetryableError: the registry cannot say now.
    """
    asked = tags[:TAGS_ASKED]

    async def leads_to(tag: Tag) -> Digest | None:
        try:
            return await _head(registries, push, tag)
        except PermanentError:
            return digest  # a registry that refuses to say does not say otherwise

    answers = await asyncio.gather(*(leads_to(tag) for tag in asked))
    return {tag: answer for tag, answer in zip(asked, answers, strict=True) if answer != digest}


async def require_present(push: Push, registries: Registries) -> None:
    """Ask for the digest of a push, where it has one. A registry that refuses to say does not say that it is gone.

    Raises:
        NotFoundError: it is not there.
        RetryableError: the registry cannot say now.
    """
    here = Reference(registry=push.registry, repository=push.repository, digest=push.digest)
    try:
        found = push.digest is None or await registries.head(here)
    except PermanentError:
        return
    if not found:
        raise NotFoundError(f"{here} does not exist")


async def _head(registries: Registries, push: Push, tag: Tag) -> Digest | None:
    return await registries.head(Reference(registry=push.registry, repository=push.repository, tag=tag))
