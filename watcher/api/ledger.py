"""`/api/v1/ledger`: what registries hold, minus what has a verdict."""

from aiohttp import web

from watcher.api.context import CONTEXT
from watcher.api.paging import InvalidQueryError, limit_of, page
from watcher.model.errors import InvalidReferenceError
from watcher.model.ledger import LedgerState
from watcher.model.ledger_json import entry_json, line_json, pass_json
from watcher.model.reference import Host, RepositoryName, parse_host, parse_repository


async def lines(request: web.Request) -> web.Response:
    """One item for each repository that a sweep looked at, in order of registry and repository."""
    limit, registry = limit_of(request), request.query.get("registry")
    found = await request.app[CONTEXT].completeness.lines(
        registry=parse_host(registry) if registry is not None else None,
        after=_after(request.query.get("cursor")),
        limit=limit + 1,
    )
    shown = found[:limit]
    following = f"{shown[-1].registry}/{shown[-1].repository}" if len(found) > limit else None
    return page("repositories", [line_json(each) for each in shown], following)


async def registries(request: web.Request) -> web.Response:
    """Each configured registry: when it was looked through to the end last, and what could not be read; null where it never was."""
    context = request.app[CONTEXT]
    last = {each.registry: each for each in await context.passes()}
    hosts = sorted({*context.registries.hosts, *last})
    return web.json_response({"registries": [pass_json(host, last.get(host)) for host in hosts]})


async def images(request: web.Request) -> web.Response:
    """The images of one repository, each with its state, in order of digest; of one state when that is given."""
    query, limit = request.query, limit_of(request)
    try:
        registry, repository = parse_host(query["registry"]), parse_repository(query["repository"])
    except KeyError as error:
        raise InvalidQueryError(reason="registry and repository are needed") from error
    state = query.get("state")
    if state is not None and state not in set(LedgerState):
        raise InvalidQueryError(reason=f"state must be one of {', '.join(LedgerState)}")
    entries = await request.app[CONTEXT].completeness.entries(registry, repository)
    after = query.get("cursor", "")
    found = [each for each in entries if each.digest > after and state in {None, each.state}]
    return page("images", [entry_json(each) for each in found[:limit]], found[limit - 1].digest if len(found) > limit else None)


def _after(cursor: str | None) -> tuple[Host, RepositoryName] | None:
    """Raises InvalidQueryError."""
    if cursor is None:
        return None
    host, _, repository = cursor.partition("/")
    try:
        return parse_host(host), parse_repository(repository)
    except InvalidReferenceError as error:
        raise InvalidQueryError(reason="cursor must be the `next` of an earlier page") from error
