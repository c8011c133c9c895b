"""What a registry is asked and must answer, one exchange after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from watcher.testing.registry import MemoryRegistry


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its answer. `{location}` in `path` is where the last `Location` led; a header `gets` as None is not there."""

    method: str
    path: str
    status: int
    query: Mapping[str, str] | Sequence[tuple[str, str]] = field(default_factory=dict)
    sends: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    gets: Mapping[str, str | None] = field(default_factory=dict)
    answer: bytes | Mapping[str, Any] | None = None
    code: str = ""  # that of the error


def ask(request: str, status: int, **rest: Any) -> Exchange:
    method, _, path = request.partition(" ")
    return Exchange(method=method, path=path if path.startswith(("/", "{")) else f"/v2/team/app/{path}", status=status, **rest)


async def speak(registry: MemoryRegistry, exchanges: Sequence[Exchange]) -> None:
    """Ask one after another; the first that is answered otherwise fails the test, with its number."""
    location = ""
    async with aiohttp.ClientSession() as http:
        for number, each in enumerate(exchanges):
            url = URL(f"{registry.url}{each.path.format(location=location)}", encoded=True)
            async with http.request(each.method, url, params=each.query, headers=each.sends, data=each.body or None) as response:
                where, raw = f"{number}: {each}", await response.read()
                assert response.status == each.status, where
                assert {name: response.headers.get(name) for name in each.gets} == each.gets, where
                if isinstance(each.answer, bytes):
                    assert raw == each.answer, where
                elif each.answer is not None:
                    assert msgspec.json.decode(raw) == each.answer, where
                if each.code:
                    assert [error["code"] for error in msgspec.json.decode(raw)["errors"]] == [each.code], where
                location = response.headers.get("Location", location)
