"""Lists as a registry gives them: page by page, each with a `Link` to the next.

Spec: OCI distribution-spec v1.1, "Listing Tags" (end-8a, end-8b) and "Listing Referrers" (end-12a, end-12b).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from watcher.model.image import OCI_INDEX
from watcher.testing.content import RefusedError
from watcher.testing.names import Names

_NUMBER = re.compile(r"[0-9]{1,9}")


def name_page(request: web.Request, key: str, names: Names[Any, Any], *, page_size: int, **more: str) -> web.Response:
    """`names` under `key`, as many as `n` asks for and `page_size` allows, after `last`. Raises RefusedError."""
    limit = min(_number(request, "n", page_size), page_size)
    page, following = names.after(request.query.get("last", ""), limit)
    # "When n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link header."
    headers = _next(request, {"n": limit, "last": page[-1]}) if following and page else {}
    return web.json_response({**more, key: page}, headers=headers)


def referrers_page(request: web.Request, listed: Sequence[Mapping[str, Any]], *, page_size: int) -> web.Response:
    """An index of the descriptors `listed`, filtered by `artifactType` where that is asked for. Raises RefusedError."""
    headers, kept = {"Content-Type": OCI_INDEX}, {}
    if wanted := request.query.get("artifactType"):
        listed = [entry for entry in listed if entry.get("artifactType") == wanted]
        headers["OCI-Filters-Applied"], kept["artifactType"] = "artifactType", wanted
    start = _number(request, "from", 0)
    if len(listed) > start + page_size:
        headers |= _next(request, {**kept, "from": start + page_size})
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed[start : start + page_size]}
    return web.Response(body=msgspec.json.encode(index), headers=headers)


def _next(request: web.Request, query: Mapping[str, object]) -> dict[str, str]:
    return {"Link": f'<{request.path}?{urlencode(query)}>; rel="next"'}


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if _NUMBER.fullmatch(text) is None:
        raise RefusedError(400, "PAGINATION_NUMBER_INVALID", f"{name} is not a number")
    return int(text)
