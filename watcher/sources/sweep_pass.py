"""One pass over one registry: repositories, their tags, what these lead to, and what of it nobody has judged."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from watcher.kit.glob import glob_any, glob_match
from watcher.model.digest import Digest
from watcher.model.errors import AuthenticationError, InvalidReferenceError, PermanentError
from watcher.model.push import Push
from watcher.model.quarantine import marker_tag
from watcher.model.reference import Host, Reference, RepositoryName, Tag, parse_repository
from watcher.registry.protocol import CatalogUnavailableError, Listing, Registries
from watcher.sources.context import Judged
from watcher.sources.protocol import Intake
from watcher.sources.sweep_settings import Scope

# As many tags are asked for at a time; the registry's own pace still holds.
HEADS_AT_ONCE = 16


@dataclass(slots=True, kw_only=True)
class SweepReport:
    """What one pass saw. `found` had no verdict, or none under that tag; of those `taken_in` became new jobs.

    `lost_tags` are images that are known by a tag which leads elsewhere or nowhere: those are looked at again.
    `unmatched` are configured names and globs that nothing came of; `problems` are sentences about what could not be read.
    """

    registry: Host
    repositories: int = 0
    images: int = 0
    lost_tags: int = 0
    found: list[Push] = field(default_factory=list)
    taken_in: int = 0
    unmatched: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def sweep(scope: Scope, source: str, registries: Registries, judged: Judged, intake: Intake) -> SweepReport:
    """Look through a registry and take in what has no verdict, repository by repository.

    Tags are asked for by HEAD, several at a time. Of one repository that we may not read the report tells, and the pass goes on.

    Raises:
        RetryableError: the registry cannot be read now, or what was found could not be kept.
    """
    report, listing = SweepReport(registry=scope.registry), registries.listing(scope.registry)
    matched: set[str] = set()
    async for repository in _repositories(scope, listing, report):
        report.repositories += 1
        try:
            images = [each async for each in _images(scope, listing, registries, repository)]
        except (AuthenticationError, PermanentError) as error:
            report.problems.append(f"{repository}: {error}")
            matched.update(_patterns(scope, repository))
            continue
        if images:
            matched.update(_patterns(scope, repository))
        report.images += len(images)
        known = await judged(scope.registry, repository)
        found = [each for each in images if _is_news(each, known)]
        report.found += found
        if found:
            report.taken_in += (await intake.found(source, found)).accepted
        if lost := _without_their_tags(scope, repository, images, known):
            report.lost_tags += len(lost)
            await intake.found(source, lost)
    report.unmatched += [pattern for pattern in scope.repositories if pattern not in matched]
    return report


async def _repositories(scope: Scope, listing: Listing, report: SweepReport) -> AsyncIterator[RepositoryName]:
    """Each once: those that are named, and those of the catalogue when there is a glob."""
    given: set[RepositoryName] = set()
    for name in filter(_is_name, scope.repositories):
        try:
            repository = parse_repository(name)
        except InvalidReferenceError as error:
            report.problems.append(str(error))
            continue
        if repository not in given:
            given.add(repository)
            yield repository
    if all(map(_is_name, scope.repositories)):
        return
    try:
        async for repository in listing.repositories():
            if repository not in given and _patterns(scope, repository) and not glob_any(repository, scope.exclude):
                given.add(repository)
                yield repository
    except CatalogUnavailableError as error:
        report.problems.append(str(error))


async def _images(scope: Scope, listing: Listing, registries: Registries, repository: RepositoryName) -> AsyncIterator[Push]:
    """What is in a repository: every tag with its digest, and every digest that no tag leads to."""
    tagged: set[Digest] = set()
    waiting: set[Tag] = set()
    async for tag in listing.tags(repository):
        if glob_any(tag, scope.tags):
            waiting.add(tag)
        if len(waiting) >= HEADS_AT_ONCE:
            for push in await _resolved(scope.registry, registries, repository, sorted(waiting)):
                tagged.add(push.digest or Digest(""))
                yield push
            waiting.clear()
    for push in await _resolved(scope.registry, registries, repository, sorted(waiting)):
        tagged.add(push.digest or Digest(""))
        yield push
    if scope.untagged and listing.lists_digests:
        async for digest in listing.digests(repository):
            if digest not in tagged:
                tagged.add(digest)
                yield Push(registry=scope.registry, repository=repository, digest=digest)


async def _resolved(registry: Host, registries: Registries, repository: RepositoryName, tags: Sequence[Tag]) -> list[Push]:
    """What the tags lead to; one that is gone since it was listed leads nowhere."""
    digests = await asyncio.gather(*(registries.head(Reference(registry=registry, repository=repository, tag=tag)) for tag in tags))
    return [
        Push(registry=registry, repository=repository, tag=tag, digest=digest)
        for tag, digest in zip(tags, digests, strict=True)
        if digest is not None
    ]


def _is_news(push: Push, known: Mapping[Digest, Collection[Tag]]) -> bool:
    tags = known.get(push.digest) if push.digest is not None else None
    if tags is None or push.digest is None:
        return True
    # A marker is no name: what it marks is judged, and known without it.
    return push.tag is not None and push.tag not in tags and push.tag != marker_tag(push.digest)


def _without_their_tags(
    scope: Scope, repository: RepositoryName, images: Sequence[Push], known: Mapping[Digest, Collection[Tag]]
) -> Sequence[Push]:
    leads = {push.tag: push.digest for push in images}
    return [
        Push(registry=scope.registry, repository=repository, digest=digest)
        for digest, tags in sorted(known.items())
        if any(leads.get(tag) != digest and glob_any(tag, scope.tags) for tag in tags)
    ]


def _patterns(scope: Scope, repository: RepositoryName) -> Sequence[str]:
    return [pattern for pattern in scope.repositories if glob_match(repository, pattern)]


def _is_name(pattern: str) -> bool:
    return not {*pattern} & {*"*?"}
