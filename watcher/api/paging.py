"""Cursors and limits of lists."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeVar

from aiohttp import web

R = TypeVar("R")

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


class InvalidQueryError(web.HTTPBadRequest):
    """A query parameter that cannot be read; the text says which."""


def limit_of(request: web.Request) -> int:
    """Raises InvalidQueryError unless `limit` is absent or a number from 1 to MAX_LIMIT."""
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidQueryError(reason=f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def number_of(request: web.Request, name: str) -> int | None:
    """Raises InvalidQueryError unless the parameter is absent or a whole number."""
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidQueryError(reason=f"{name} must be the `next` of an earlier page")
    return int(text)


def first_digests(rows: Sequence[R], limit: int, digest_of: Callable[[R], str]) -> tuple[list[R], str | None]:
    """The rows of the first `limit` digests, of rows in their order; and the cursor of what follows, None where nothing does."""
    by_digest = [list(group) for _, group in groupby(rows, key=digest_of)]
    shown = [row for group in by_digest[:limit] for row in group]
    return shown, digest_of(shown[-1]) if len(by_digest) > limit else None


def page(name: str, items: list[dict[str, Any]], following: object | None) -> web.Response:
    """`next` is the cursor of the following page, null on the last one."""
    return web.json_response({name: items, "next": None if following is None else str(following)})
