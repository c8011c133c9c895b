"""Lists that a registry gives page by page: `Link: <…>; rel="next"`, followed within bounds.

Spec: OCI distribution-spec v1.1 "Listing Tags"; RFC 8288.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import structlog
from yarl import URL

from watcher.model.errors import RegistryUnavailableError
from watcher.model.first_use import known
from watcher.registry.client import RegistryClient
from watcher.registry.links import next_page
from watcher.registry.wire import Response

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """How far a list is followed."""

    # The most that distribution and ECR give at once; registries that like less give less.
    size: int = 1000
    # Ten million names. What goes on after that is no list.
    pages: int = 10_000
    # A thousand names are 256 KiB at most; this is for registries that know no pages and give everything.
    page_bytes: int = 16 * 1024 * 1024


PAGES = PageLimits()


async def pages(
    client: RegistryClient,
    path: str,
    *,
    size_name: str = "n",
    size: int | None = None,
    limits: PageLimits = PAGES,
    scopes: frozenset[str] = frozenset(),
    accept: frozenset[int] = frozenset(),
    password: bool = False,
    names: Callable[[Response], Sequence[Any]] | None = None,
) -> AsyncIterator[Response]:
    """Every page of a list, as it came. A status of `accept` is given like a page, and is the last one.

    `names` are those on a page, for lists that go on after a name: some registries give a page as long as was asked for and no
    link to what follows, which is then asked for.

    A link is followed on the registry itself, whatever host it names: proxies that end TLS are known to write the wrong one.
    A list that leads back to where it was, or never ends, is cut off with a warning: what has been given stands.

    Raises:
        As `RegistryClient.request`.
    """
    plain = client.base_url.join(URL(path, encoded=True))
    url = plain.update_query({size_name: str(size or limits.size)})
    seen: set[URL] = set()
    while url not in seen and len(seen) < limits.pages:
        seen.add(url)
        response = await client.request(
            "GET", url, scopes=scopes, limit_bytes=limits.page_bytes, accept=accept | {200, 400}, password=password
        )
        if response.status == 400 and len(seen) == 1:
            # Some refuse a page size above their own instead of giving less.
            response = await client.request(
                "GET", plain, scopes=scopes, limit_bytes=limits.page_bytes, accept=accept | {200}, password=password
            )
        if response.status == 400:
            raise RegistryUnavailableError(f"{client.registry}{plain.path}: answered 400 in the middle of a list")
        yield response
        following = next_page(client, response) if response.status == 200 else None
        if following is not None:
            url = following
            continue
        shown = names(response) if names is not None and response.status == 200 else ()
        if len(shown) != limits.size or not isinstance(shown[-1], str):
            return
        url = plain.update_query({size_name: str(limits.size), "last": shown[-1]})
    log.warning("listing.cut", registry=client.registry, path=plain.path, pages=len(seen))


def decode_page(client: RegistryClient, response: Response, kind: type[T]) -> T:
    """A page as what it should be. Raises RegistryUnavailableError: something else answers there, a proxy most likely."""
    try:
        return msgspec.json.decode(response.body, type=known(kind))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryUnavailableError(f"{client.registry}{response.url.path}: what it answered is not a list") from error
