"""`/api/v1/vulnerabilities/{id}`, and those of one image: what the advisories there are now say."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from watcher.advisories.protocol import Exposure
from watcher.api.context import CONTEXT
from watcher.api.images import image_row
from watcher.api.packages import package_json
from watcher.api.paging import first_digests, limit_of
from watcher.api.problems import Handler, problem
from watcher.model.digest import parse_digest
from watcher.model.errors import ConfigurationError
from watcher.model.verdict_json import section_json
from watcher.store.protocol import HoldingImage, PackageName

# No id is longer, and what is longer is looked for in vain.
MAX_ID = 200

Exposures = Mapping[tuple[int, str], Exposure]
"""By package and distribution."""


def _answering(handler: Handler) -> Handler:
    """Data that cannot be read are no mistake of ours, and no reason to say that there is nothing."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConfigurationError as error:
            return problem(503, "The vulnerability data cannot be read", detail=str(error), reason=error.reason)

    return answer


@_answering
async def one(request: web.Request) -> web.Response:
    """What is known of it, and the images with a version that it is in, in order of digest; `limit` counts digests."""
    name, limit, after = request.match_info["id"], limit_of(request), request.query.get("cursor")
    context = request.app[CONTEXT]
    known = await context.advisories.known(name) if len(name) <= MAX_ID else None
    if known is None:
        return problem(404, "No such vulnerability", detail=f"{name:.{MAX_ID}} is in no advisory that was imported")
    names = [PackageName(type=kind, name=package, distro=distro) for kind, package, distro in known.packages]
    installed = await context.packages.installed(names)
    said = await context.advisories.exposures(known, [(each.record, each.distro) for each in installed])
    exposed = [(each, exposure) for each, exposure in zip(installed, said, strict=True) if exposure is not None]
    exposures = {(each.id, each.distro): exposure for each, exposure in exposed}
    found = await context.packages.holding_any(
        [each for each, _ in exposed], after=parse_digest(after) if after else None, limit=limit + 1
    )
    shown, following = first_digests(found, limit, lambda each: each.row.digest)
    images = [_image(each, exposures) for each in shown]
    return web.json_response({**known.document, "data_revision": known.data_revision, "images": images, "next": following})


@_answering
async def of_image(request: web.Request) -> web.Response:
    """Those of an image, as rules read them; 404 for what was never inspected. VEX documents are those about its newest subject."""
    digest = parse_digest(request.match_info["digest"])
    context = request.app[CONTEXT]
    inventory, subjects = await context.images.inventory(digest), await context.images.subjects(digest)
    if inventory is None or not subjects:
        return problem(404, "No inspection", detail=f"{digest} was never inspected, or is no image of one platform")
    subject = subjects[0].subject
    knowledge = await context.advisories.of_image(subject, inventory)
    document: dict[str, Any] = msgspec.json.decode(knowledge.document)
    body = {
        "digest": digest,
        "registry": subject.registry,
        "repository": subject.repository,
        "environment": subject.environment,
        "sections": {name: section_json(section) for name, section in knowledge.sections.items()},
        "data": document.get("data", {}),
        "data_revision": knowledge.data_revision,
        "vulnerabilities": document.get("vulnerabilities", []),
    }
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _image(found: HoldingImage, exposures: Exposures) -> dict[str, Any]:
    packages = []
    for held in found.packages:
        exposure = exposures[held.id, found.distro]
        said = {"severity": exposure.severity, "fix": {"state": exposure.state, "versions": list(exposure.fixed)}}
        packages.append({**package_json(held), **said})
    return {**image_row(found.row), "packages": packages}
