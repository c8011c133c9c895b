"""`/api/v1/packages`: which images hold a package."""

from typing import Any

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.images import image_row
from watcher.api.paging import InvalidQueryError, first_digests, limit_of, page
from watcher.model.digest import parse_digest
from watcher.store.protocol import HeldPackage, HoldingImage, PackageQuery

PURL = "pkg:"


async def listing(request: web.Request) -> web.Response:
    """One item per digest, registry and repository, in order of digest; `limit` counts digests."""
    wanted, limit, after = _wanted(request), limit_of(request), request.query.get("cursor")
    index = request.app[CONTEXT].packages
    found = await index.holding(wanted, after=parse_digest(after) if after else None, limit=limit + 1)
    shown, following = first_digests(found, limit, lambda each: each.row.digest)
    return page("images", [_item(each) for each in shown], following)


def package_json(held: HeldPackage) -> dict[str, Any]:
    """A package in an image, as lists show it."""
    return {
        "type": held.type,
        "name": held.name,
        "version": held.version,
        "source_name": held.source,
        "purl": held.purl,
        "layer": held.layer,
        "from_base": held.from_base,
    }


def _wanted(request: web.Request) -> PackageQuery:
    """Raises InvalidQueryError unless there is either a purl or a name."""
    purl, name = request.query.get("purl", ""), request.query.get("name", "")
    if bool(purl) is bool(name):
        raise InvalidQueryError(reason="either purl or name must say which package")
    if purl and not purl.startswith(PURL):
        raise InvalidQueryError(reason=f"purl must begin with {PURL}")
    return PackageQuery(purl=purl, name=name)


def _item(found: HoldingImage) -> dict[str, Any]:
    return {**image_row(found.row), "packages": [package_json(held) for held in found.packages]}
