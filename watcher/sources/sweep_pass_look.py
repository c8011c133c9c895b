"""One look at one repository: what is there now, and what of it is news beside what is known."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from watcher.kit.counted import counted
from watcher.kit.glob import glob_any
from watcher.model.digest import Digest
from watcher.model.errors import PermanentError, RetryableError, ThrottledError
from watcher.model.holding import Holding
from watcher.model.push import Push
from watcher.model.quarantine import marker_tag
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.registry.protocol import Listing, Registries
from watcher.sources.context import Ours
from watcher.sources.sweep_settings import Scope

# As many tags are asked for at a time, of all repositories together; the registry's own pace still holds.
HEADS_AT_ONCE = 16
# Tags of one repository that cannot be asked for, before it is the registry that cannot be.
MOST_TROUBLES = 16
# About 200 MB of names. A repository that has more is looked at so far, and the report says so.
MOST_NAMES = 500_000

Answer = Digest | RetryableError | PermanentError | None


class Heads:
    """Asks what tags lead to, several at a time."""

    def __init__(self, registry: Host, registries: Registries, *, at_once: int = HEADS_AT_ONCE) -> None:
        self._registry = registry
        self._registries = registries
        self._gate = asyncio.Semaphore(at_once)
        self.at_once = at_once

    async def __call__(self, repository: RepositoryName, tag: Tag) -> Answer:
        """What it leads to, None where that is nothing; an error of this tag alone. Raises ThrottledError."""
        async with self._gate:
            try:
                return await self._registries.head(Reference(registry=self._registry, repository=repository, tag=tag))
            except ThrottledError:
                raise
            except (RetryableError, PermanentError) as error:
                return error


@dataclass(slots=True, kw_only=True)
class Seen:
    """What there is in a repository, ours left out. `troubled` are the tags that could not be asked for, with why.

    `untagged` is None where these were not asked for, or not all of them could be listed; `unlisted` says why.
    """

    tags: dict[Tag, Digest] = field(default_factory=dict)
    untagged: set[Digest] | None = None
    troubled: dict[Tag, RetryableError | PermanentError] = field(default_factory=dict)
    unlisted: str = ""
    is_cut: bool = False

    @property
    def holdings(self) -> set[Holding]:
        """By every name."""
        return {
            *(Holding(digest=digest, tag=tag) for tag, digest in self.tags.items()),
            *(Holding(digest=digest) for digest in self.untagged or ()),
        }

    @property
    def problem(self) -> str:
        """A sentence about what could not be read, '' where everything was."""
        troubles = [f"{tag}: {error}" for tag, error in list(self.troubled.items())[:3]]
        if more := len(self.troubled) - len(troubles):
            troubles.append(f"and {counted(more, 'more tag')}")
        return "; ".join(troubles + [self.unlisted] * bool(self.unlisted) + ["it has more names than are looked at"] * self.is_cut)


async def look(scope: Scope, repository: RepositoryName, listing: Listing, heads: Heads, most: int = MOST_NAMES) -> Seen:
    """Ask for every tag, and where the registry can list them for every digest that none leads to.

    Raises as `Listing.tags`; RetryableError when MOST_TROUBLES tags or all of them could not be asked for.
    """
    seen, asked = Seen(), set[Tag]()
    async for tags in _batches(listing.tags(repository), scope, asked, 4 * heads.at_once):
        wanted = tags[: most - len(asked) + len(tags)]
        for tag, answer in (await _answers(heads, repository, wanted)).items():
            if isinstance(answer, RetryableError | PermanentError):
                seen.troubled[tag] = answer
            elif answer is not None:
                seen.tags[tag] = answer
        last = next(reversed(seen.troubled.values()), None)
        if isinstance(last, RetryableError) and (len(seen.troubled) >= MOST_TROUBLES or not seen.tags):
            raise last
        if len(asked) >= most:
            seen.is_cut = True
            return seen
    if scope.untagged and listing.lists_digests:
        try:
            seen.untagged = await _untagged(repository, listing, {*seen.tags.values()}, most)
        except ThrottledError:
            raise
        except (RetryableError, PermanentError) as error:
            # Their list is an API of its own, for which we may lack a permission. The tags are known all the same.
            seen.unlisted = f"digests without a tag: {error}"
        else:
            seen.is_cut = len(seen.untagged) >= most
    return seen


async def _untagged(repository: RepositoryName, listing: Listing, tagged: Collection[Digest], most: int) -> set[Digest]:
    found: set[Digest] = set()
    async for digest in listing.digests(repository):
        if digest not in tagged:
            found.add(digest)
        if len(found) >= most:
            break
    return found


async def without_ours(seen: Seen, judged: Collection[Digest], ours: Ours) -> None:
    """Take away what we wrote ourselves: it is no image, and never has a verdict."""
    strange = {digest for digest in {*seen.tags.values(), *(seen.untagged or ())} if digest not in judged}
    mine = await ours(strange) if strange else {}
    for tag in [tag for tag, digest in seen.tags.items() if digest in mine and mine[digest] in {None, tag}]:
        del seen.tags[tag]
    if seen.untagged is not None:
        seen.untagged -= {digest for digest, under in mine.items() if under is None}


def news_in(scope: Scope, repository: RepositoryName, seen: Seen, judged: Mapping[Digest, Collection[Tag]]) -> list[Push]:
    """What has no verdict, or none under that tag. A marker is no name: what it marks is judged, and known without it."""
    tagged = [
        Push(registry=scope.registry, repository=repository, tag=tag, digest=digest)
        for tag, digest in seen.tags.items()
        if digest not in judged or (tag not in judged[digest] and tag != marker_tag(digest))
    ]
    return tagged + [
        Push(registry=scope.registry, repository=repository, digest=digest)
        for digest in sorted((seen.untagged or set()) - judged.keys())
    ]


def lost_in(scope: Scope, repository: RepositoryName, seen: Seen, judged: Mapping[Digest, Collection[Tag]]) -> Sequence[Push]:
    """What is known by a tag that leads elsewhere now, or nowhere. A tag that nobody asked for may lead anywhere."""
    return [
        Push(registry=scope.registry, repository=repository, digest=digest)
        for digest, tags in sorted(judged.items())
        if any(seen.tags.get(tag) != digest and _was_asked(scope, seen, tag) for tag in tags)
    ]


def went(scope: Scope, seen: Seen, held: frozenset[Holding]) -> frozenset[Holding]:
    """What was there before and is not now, of what was asked for."""
    knows_untagged = seen.untagged is not None and not seen.is_cut
    return frozenset(
        each for each in held - seen.holdings if (knows_untagged if each.tag is None else _was_asked(scope, seen, each.tag))
    )


def _was_asked(scope: Scope, seen: Seen, tag: Tag) -> bool:
    return tag not in seen.troubled and not seen.is_cut and glob_any(tag, scope.tags)


async def _batches(tags: AsyncIterator[Tag], scope: Scope, asked: set[Tag], size: int) -> AsyncIterator[list[Tag]]:
    """Each tag that is asked for, once: pages may repeat one. `asked` are those that were given."""
    batch: list[Tag] = []
    async for tag in tags:
        if tag not in asked and glob_any(tag, scope.tags):
            asked.add(tag)
            batch.append(tag)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


async def _answers(heads: Heads, repository: RepositoryName, tags: Sequence[Tag]) -> Mapping[Tag, Answer]:
    """As `Heads`, of all of them. Nobody is asked any more when one says that we ask too fast."""
    try:
        async with asyncio.TaskGroup() as group:
            asking = {tag: group.create_task(heads(repository, tag)) for tag in tags}
    except* ThrottledError as several:
        raise several.exceptions[0] from None
    return {tag: task.result() for tag, task in asking.items()}
