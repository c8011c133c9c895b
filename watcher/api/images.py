"""`/api/v1/images`: what is known, by digest."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.paging import InvalidQueryError, first_digests, limit_of, page
from watcher.api.problems import problem
from watcher.model.digest import parse_digest
from watcher.model.inspection_json import inspection_bytes
from watcher.model.moments import iso
from watcher.model.reference import Host, RepositoryName
from watcher.model.verdict import Outcome, Verdict
from watcher.model.verdict_json import verdict_json
from watcher.sbom.formats import FORMATS
from watcher.store.protocol import ImageRow, SubjectFilter


async def listing(request: web.Request) -> web.Response:
    """One item per digest, registry and repository, in order of digest; `limit` counts digests."""
    limit = limit_of(request)
    after = request.query.get("cursor")
    rows = await request.app[CONTEXT].images.images(after=parse_digest(after) if after else None, limit=limit + 1)
    shown, following = first_digests(rows, limit, lambda row: row.digest)
    return page("images", [image_row(row) for row in shown], following)


async def one(request: web.Request) -> web.Response:
    """The newest verdict of every subject (registry, repository, environment) that has the digest."""
    digest = parse_digest(request.match_info["digest"])
    newest = await request.app[CONTEXT].images.subjects(digest)
    if not newest:
        return _unknown(digest)
    base = f"/api/v1/images/{digest}"
    return web.json_response(
        {
            "digest": digest,
            "verdict": verdict_json(newest[0]),
            "subjects": [_subject(verdict) for verdict in newest],
            "links": {"inspection": f"{base}/inspection", "sbom": f"{base}/sbom", "verdicts": f"{base}/verdicts"},
        }
    )


async def inspection(request: web.Request) -> web.Response:
    """What the last inspection found; 404 for an index, which has none of its own."""
    digest = parse_digest(request.match_info["digest"])
    inventory = await request.app[CONTEXT].images.inventory(digest)
    if inventory is None:
        return _not_inspected(digest)
    body = await asyncio.to_thread(inspection_bytes, inventory)
    return web.Response(body=body, content_type="application/json")


async def sbom(request: web.Request) -> web.Response:
    """The packages of the last inspection in a format that other tools read, under the name of the newest subject."""
    digest = parse_digest(request.match_info["digest"])
    name = request.query.get("format", "cyclonedx")
    if name not in FORMATS:
        raise InvalidQueryError(reason=f"format must be one of {', '.join(FORMATS)}")
    context = request.app[CONTEXT]
    newest = await context.images.subjects(digest)
    subject = newest[0].subject if newest else None
    written = await context.sboms.written(digest, f"{subject.registry}/{subject.repository}" if subject else "", name)
    if written is None:
        return _not_inspected(digest)
    return web.Response(body=written.content, content_type=written.media_type)


async def verdicts(request: web.Request) -> web.Response:
    """Newest first, of every subject, with their findings."""
    digest, limit, before = parse_digest(request.match_info["digest"]), limit_of(request), request.query.get("cursor")
    found = await request.app[CONTEXT].images.verdicts(digest, before=before, limit=limit + 1)
    if not found and before is None:
        return _unknown(digest)
    return page("verdicts", [verdict_json(verdict) for verdict in found[:limit]], _following(found, limit))


async def newest(request: web.Request) -> web.Response:
    """What is true now: the newest verdict of every subject, newest first, without its findings."""
    limit, before = limit_of(request), request.query.get("cursor")
    found = await request.app[CONTEXT].images.newest(_filter_of(request), before=before, limit=limit + 1)
    shown = [{"digest": verdict.subject.digest, **_subject(verdict)} for verdict in found[:limit]]
    return page("verdicts", shown, _following(found, limit))


async def verdict(request: web.Request) -> web.Response:
    """One verdict, with its findings; where messages link to."""
    wanted = request.match_info["id"]
    found = await request.app[CONTEXT].verdicts.verdict(wanted)
    if found is None:
        return problem(404, "No such verdict", detail="there is none with this id, or it is not kept any more")
    return web.json_response(verdict_json(found))


def image_row(row: ImageRow) -> dict[str, Any]:
    """One image as lists show it."""
    return {
        "digest": row.digest,
        "registry": row.registry,
        "repository": row.repository,
        "tags": list(row.tags),
        "outcome": row.outcome,
        "evaluated_at": iso(row.evaluated_at) if row.evaluated_at else None,
    }


def _filter_of(request: web.Request) -> SubjectFilter:
    """Raises InvalidQueryError for an outcome that there is not."""
    query = request.query
    outcome = query.get("outcome")
    if outcome is not None and outcome not in set(Outcome):
        raise InvalidQueryError(reason=f"outcome must be one of {', '.join(Outcome)}")
    return SubjectFilter(
        registry=Host(query["registry"]) if "registry" in query else None,
        repository=RepositoryName(query["repository"]) if "repository" in query else None,
        environment=query.get("environment"),
        outcome=Outcome(outcome) if outcome is not None else None,
    )


def _following(found: Sequence[Verdict], limit: int) -> str | None:
    return found[limit - 1].id if len(found) > limit else None


def _not_inspected(digest: str) -> web.Response:
    return problem(404, "No inspection", detail=f"{digest} was never inspected, or is no image of one platform")


def _unknown(digest: str) -> web.Response:
    return problem(404, "No such image", detail=f"{digest} has no verdict")


def _subject(verdict: Verdict) -> dict[str, Any]:
    subject = verdict.subject
    return {
        "registry": subject.registry,
        "repository": subject.repository,
        "environment": subject.environment,
        "tags": list(subject.tags),
        "outcome": verdict.outcome,
        "evaluated_at": iso(verdict.evaluated_at),
        "verdict_id": verdict.id,
    }
