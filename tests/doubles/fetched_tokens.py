"""What an `Authorizer` asks for tokens, without a network."""

import asyncio
import json
from collections.abc import Mapping

from yarl import URL


class TokenService:
    """Answers with tokens t1, t2, … and remembers what it was asked."""

    def __init__(self, **extra: object) -> None:
        self.asked: list[tuple[str, URL, Mapping[str, str], Mapping[str, str] | None]] = []
        self.extra = extra
        self.body: bytes | None = None

    async def fetch(self, method: str, url: URL, headers: Mapping[str, str], form: Mapping[str, str] | None) -> bytes:
        self.asked.append((method, url, headers, form))
        await asyncio.sleep(0)
        return self.body or json.dumps({"token": f"t{len(self.asked)}", **self.extra}).encode()
