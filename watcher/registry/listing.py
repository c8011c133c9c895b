"""What there is in a registry: repositories, tags, and where it can be asked for them, digests without a tag."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import msgspec

from watcher.model.digest import DIGEST_PATTERN, Digest
from watcher.model.errors import AuthenticationError, InvalidReferenceError
from watcher.model.reference import TAG_PATTERN, RepositoryName, Tag, parse_repository
from watcher.registry.challenges import scope
from watcher.registry.client import RegistryClient
from watcher.registry.pages import PAGES, PageLimits, decode_page, pages
from watcher.registry.protocol import CatalogUnavailableError
from watcher.registry.settings import KINDS_WITHOUT_CATALOG
from watcher.registry.wire import Response

CATALOG_SCOPE = frozenset({"registry:catalog:*"})
REFUSED_STATUSES = frozenset({401, 403, 404, 405})


class Catalog(msgspec.Struct, frozen=True):
    """A page of repositories. What is in the list is looked at one by one."""

    repositories: list[Any] | None = None


class TagList(msgspec.Struct, frozen=True):
    """A page of tags; null where there are none."""

    tags: list[Any] | None = None


class DistributionListing:
    """`/v2/_catalog` and `/v2/NAME/tags/list`, which nearly every registry has. Nothing there lists digests."""

    lists_digests = False

    def __init__(self, client: RegistryClient, *, catalog_path: str = "/v2/_catalog", limits: PageLimits = PAGES) -> None:
        self._client = client
        self._catalog_path = catalog_path
        self._pages = partial(pages, client, limits=limits)

    async def repositories(self) -> AsyncIterator[RepositoryName]:
        """See `Listing`. Spec: distribution "Catalog"; not part of OCI's."""
        client = self._client
        if client.settings.registry_kind in KINDS_WITHOUT_CATALOG:
            raise CatalogUnavailableError(f"{client.registry}: has no catalogue; name the repositories")

        def names(page: Response) -> Sequence[Any]:
            return decode_page(client, page, Catalog).repositories or ()

        async for page in self._pages(self._catalog_path, scopes=CATALOG_SCOPE, accept=REFUSED_STATUSES, names=names):
            if page.status != 200:
                raise no_catalog(client, page)
            for name in valid_repositories(names(page)):
                yield name

    async def tags(self, repository: RepositoryName) -> AsyncIterator[Tag]:
        """See `Listing`. Spec: OCI distribution-spec v1.1 "Listing Tags" (end-8)."""
        path, scopes = f"/v2/{repository}/tags/list", frozenset({scope(repository, "pull")})

        def names(page: Response) -> Sequence[Any]:
            return decode_page(self._client, page, TagList).tags or ()

        async for page in self._pages(path, scopes=scopes, accept=frozenset({404}), names=names):
            if page.status == 404:
                return
            for text in names(page):
                if isinstance(text, str) and TAG_PATTERN.fullmatch(text):
                    yield Tag(text)

    async def digests(self, repository: RepositoryName) -> AsyncIterator[Digest]:  # noqa: ARG002  `Listing`'s signature
        """None: nothing in the specification lists what has no tag."""
        nothing: tuple[Digest, ...] = ()
        for digest in nothing:
            yield digest


def no_catalog(client: RegistryClient, page: Response) -> CatalogUnavailableError | AuthenticationError:
    """What a refusal means. 401 to a token that was just issued means that it is not for this; to a password, that it is wrong."""
    if page.status == 401 and "bearer" not in page.headers.get("WWW-Authenticate", "").lower():
        return AuthenticationError(f"{client.registry}: refuses the credentials (answered 401 to a request for its repositories)")
    return CatalogUnavailableError(f"{client.registry}: does not list its repositories for us (answered {page.status}); name them")


def valid_repositories(texts: Sequence[Any]) -> list[RepositoryName]:
    """Those that are names: what a registry calls otherwise, by wider rules of its own, we cannot ask for."""
    found = []
    for text in texts:
        if isinstance(text, str):
            try:
                found.append(parse_repository(text))
            except InvalidReferenceError:
                continue
    return found


def valid_digest(text: object) -> Digest | None:
    return Digest(text) if isinstance(text, str) and DIGEST_PATTERN.fullmatch(text) else None
