"""Which image of a registry to look at, when none is named. A part of `probe`."""

from dataclasses import dataclass

from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.client import RegistryClient
from watcher.registry.listing_catalog import build_listing
from watcher.registry.protocol import CatalogUnavailableError, Listing

# A registry that begins with so many empty repositories is asked for no more.
MOST_REPOSITORIES = 5
# Of a repository with more tags, `latest` is not looked for beyond these.
MOST_TAGS = 1000
LATEST = Tag("latest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look at, as far as it is named. `known` is an image that was there once, where one is known."""

    repository: RepositoryName | None = None
    reference: Tag | Digest | None = None
    known: tuple[RepositoryName, Tag | Digest] | None = None


async def choose(client: RegistryClient, wanted: Wanted) -> tuple[RepositoryName, Tag | Digest]:
    """What is named; else `latest` or a tag of the repository, the first image of the listing, or the known one.

    Raises:
        NotFoundError: nothing is there, or nothing is shown.
        CatalogUnavailableError: it has to be named. Those of `Listing` besides.
    """
    if wanted.repository is not None and wanted.reference is not None:
        return wanted.repository, wanted.reference
    listing = build_listing(client)
    if wanted.repository is not None:
        tag = await _tag(listing, wanted.repository)
        if tag is None:
            raise NotFoundError(f"{client.registry}/{wanted.repository}: has no tags, or does not show them")
        return wanted.repository, tag
    try:
        found = await _first(listing)
    except CatalogUnavailableError:
        if wanted.known is None:
            raise
        found = None
    if found is None and wanted.known is None:
        raise NotFoundError(f"{client.registry}: shows no image")
    return found or wanted.known  # type: ignore[return-value]  # one of them there is


async def _first(listing: Listing) -> tuple[RepositoryName, Tag] | None:
    seen = 0
    async for repository in listing.repositories():
        tag = await _tag(listing, repository)
        if tag is not None:
            return repository, tag
        seen += 1
        if seen == MOST_REPOSITORIES:
            break
    return None


async def _tag(listing: Listing, repository: RepositoryName) -> Tag | None:
    """`latest` where there is one, else the last that is listed: those of artefacts, `sha256-…`, are passed over."""
    chosen, seen = None, 0
    async for tag in listing.tags(repository):
        if tag == LATEST:
            return tag
        if not tag.startswith("sha256-"):
            chosen = tag
        seen += 1
        if seen == MOST_TAGS:
            break
    return chosen
