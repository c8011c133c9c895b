"""Requests to hooks, without a server."""

from collections.abc import Mapping

from multidict import CIMultiDict

from watcher.sources.protocol import Body, HookRequest


def a_request(headers: Mapping[str, str] | None = None, *, query: str = "", path_token: str | None = None) -> HookRequest:
    """A POST with nothing in it."""

    async def read(_limit_bytes: int, _drains: bool) -> Body:
        return Body(content=b"")

    return HookRequest(method="POST", headers=CIMultiDict(headers or {}), query=query, path_token=path_token, read=read)
