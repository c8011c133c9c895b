"""A server on loopback that has advisories as their publishers have them, and trouble as a test wants it."""

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEV = "/kev.json"
EPSS = "/epss.csv"


@dataclass(slots=True)
class Feeds:
    """Files by path. `trouble` is what happens to the next requests of a path: a status, or the name of a method of this."""

    files: dict[str, bytes] = field(default_factory=dict)
    trouble: dict[str, list[int | str]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    ranges: bool = True
    tags: bool = True

    def ecosystem(self, name: str, *records: dict[str, Any]) -> None:
        """Publish these records as all there are."""
        packed = io.BytesIO()
        for path in [path for path in self.files if path.startswith(f"/osv/{name}/")]:
            del self.files[path]
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for record in records:
                archive.writestr(f"{record['id']}.json", json.dumps(record))
                self.files[f"/osv/{name}/{record['id']}.json"] = json.dumps(record).encode()
        self.files[f"/osv/{name}/all.zip"] = packed.getvalue()
        newest = sorted(records, key=lambda record: str(record["modified"]), reverse=True)
        lines = "".join(f"{record['modified']},{record['id']}\n" for record in newest)
        self.files[f"/osv/{name}/modified_id.csv"] = lines.encode()

    def exploited(self, *identifiers: str) -> None:
        entries = [{"cveID": each, "dateAdded": "2026-01-01"} for each in identifiers]
        self.files[KEV] = json.dumps({"vulnerabilities": entries}).encode()

    def probable(self, **probabilities: float) -> None:
        lines = "".join(f"{name.replace('_', '-')},{value},0.5\n" for name, value in probabilities.items())
        self.files[EPSS] = f"cve,epss,percentile\n{lines}".encode()

    def paths(self) -> list[str]:
        """What was asked since this was called last."""
        asked = [path for path, _ in self.asked]
        self.asked.clear()
        return asked

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.headers)))
        waiting = self.trouble.get(request.path)
        trouble = waiting.pop(0) if waiting else 200
        content = self.files.get(request.path)
        if isinstance(trouble, int) and trouble != 200:
            return web.Response(status=trouble)
        if content is None:
            return web.Response(status=404)
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"' if self.tags else ""
        if tag and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        begin = self._begin(request, tag)
        headers = {"ETag": tag} if tag else {}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        response = web.StreamResponse(status=206 if begin else 200, headers=headers)
        response.content_length = len(content) - begin
        await response.prepare(request)
        half = begin + (len(content) - begin) // 2
        await response.write(content[begin:half])
        if trouble == "cut":
            assert request.transport is not None
            request.transport.close()
            return response
        if trouble == "stall":
            await asyncio.sleep(60)
        await response.write(content[half:])
        return response

    def _begin(self, request: web.Request, tag: str) -> int:
        wanted = request.headers.get("Range", "")
        if not self.ranges or not wanted or request.headers.get("If-Range") != tag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


@asynccontextmanager
async def serving(feeds: Feeds) -> AsyncIterator[str]:
    """The URL of a server of `feeds`, until the block ends."""
    app = web.Application()
    app.router.add_get("/{path:.*}", feeds.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
