"""A registry in memory that speaks the OCI distribution-spec v1.1, for the demo and for tests.

Push and pull with ranges, chunked uploads and mounts; tags and catalogue with paging; the Referrers API on or off; Basic and
token authentication; notifications as docker-registry sends them; and faults on demand (`registry.faults.add(Fault(…))`).
With `CONFORMANT` it passes the specification's own suites (`tools/conformance.py`); without, it is what docker-registry 2.8 is.
"""

import asyncio
import re
import ssl
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from watcher.model.digest import is_digest
from watcher.model.reference import REPOSITORY_PATTERN, Host, RepositoryName, Tag
from watcher.testing.blob_uploads import Upload
from watcher.testing.content import Content, RefusedError, Repository, StoredManifest, digest_in
from watcher.testing.faults import Fault, Faults
from watcher.testing.notifications import Endpoint, Notifications
from watcher.testing.pages import name_page, referrers_page
from watcher.testing.sending import send
from watcher.testing.tokens import Gate

# A test image's layers are small; the demo's are too.
MAX_BODY_BYTES = 256 * 1024 * 1024
_PATH = re.compile(
    rf"/v2/(?P<name>{REPOSITORY_PATTERN.pattern})/"
    r"(?:(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+)|(?P<uploads>blobs/uploads)/(?P<session>[^/]*)|(?P<tags>tags/list))"
)
Handler = Callable[["MemoryRegistry", web.Request, str, str, Fault], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What registries differ in."""

    referrers_api: bool = False
    oci_subject: bool = False  # some send the header without having the API, some have the API without it
    tag_delete: bool = True
    immutable_tags: bool = False
    conditional_put: bool = False  # honour If-Match and If-None-Match on manifests; distribution ignores them
    page_size: int = 100
    anonymous_mount: bool = False  # find a blob to mount in any repository, where the request does not say `from` which
    chunk_min_bytes: int = 0  # what `OCI-Chunk-Min-Length` tells and every chunk but the last must have; 0: no minimum


CONFORMANT = Switches(referrers_api=True, oci_subject=True, anonymous_mount=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived. `authorized` says whether it carried an Authorization header; never which."""

    method: str
    path: str
    authorized: bool
    query: str = ""  # as it was written, still encoded
    range: str = ""
    user_agent: str = ""


class MemoryRegistry:
    """The state of one registry; `serve_registry` gives it a port."""

    def __init__(self, *, switches: Switches, gate: Gate, notify: Endpoint | None) -> None:
        self.switches = switches
        self.gate = gate
        self.content = Content()
        self.faults = Faults()
        self.requests: Counter[str] = Counter()  # by "METHOD kind": "GET manifests", "PUT uploads"
        self.seen: deque[Seen] = deque(maxlen=10_000)
        self.notifications = Notifications(notify) if notify else None
        self.arrived = asyncio.Event()  # set by every request; clear it to wait for the next one
        self.sessions: dict[str, Upload] = {}
        self.host = Host("")
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        seen = Seen(
            method=request.method,
            path=path,
            authorized="Authorization" in request.headers,
            query=request.rel_url.raw_query_string,
            range=request.headers.get("Range", ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
        self.seen.append(seen)
        self.arrived.set()
        fault = await self.faults.take(request.method, path)
        if fault.status is not None:
            self.requests[f"{request.method} fault"] += 1
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        try:
            answer = await self._route(request, path, fault)
        except RefusedError as refused:
            body = {"errors": [{"code": refused.code, "message": refused.message}]}
            return web.json_response(body, status=refused.status, headers=refused.headers)
        if fault.stall_seconds and not answer.prepared:
            await asyncio.sleep(fault.stall_seconds)
        return answer

    async def _route(self, request: web.Request, path: str, fault: Fault) -> web.StreamResponse:
        if path == "/token":
            self.requests[f"{request.method} token"] += 1
            return await self.gate.token(request)
        if path in {"/v2/", "/v2/_catalog"}:
            self.requests[f"{request.method} {path[4:] or 'ping'}"] += 1
            refused = self.gate.refusal(request, "registry:catalog:*" if path.endswith("catalog") else "")
            if refused is not None:
                return refused
            if path == "/v2/":
                return web.json_response({})
            return name_page(request, "repositories", self.content.repositories, page_size=self.switches.page_size)
        matched = _PATH.fullmatch(path)
        if matched is None:
            return web.Response(status=404, text="404 page not found\n")
        kind = matched["kind"] or ("uploads" if matched["uploads"] else "tags")
        if kind == "blobs" and matched["reference"] == "uploads":  # POST without the final slash
            kind = "uploads"
        self.requests[f"{request.method} {kind}"] += 1
        actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(request.method, "pull,push")
        needs = f"repository:{matched['name']}:{'pull,push' if kind == 'uploads' else actions}"
        origin = request.query.get("from", "") if kind == "uploads" else ""
        if REPOSITORY_PATTERN.fullmatch(origin):  # a mount; of any other name there is nothing to take
            needs += f" repository:{origin}:pull"
        refused = self.gate.refusal(request, needs)
        if refused is not None:
            return refused
        handler = _HANDLERS.get((request.method, kind))
        if handler is None:
            raise RefusedError(405, "UNSUPPORTED", "the operation is unsupported")
        reference = matched["reference"] or matched["session"] or ""
        return await handler(self, request, matched["name"], reference, fault)

    async def emit(self, request: web.Request, action: str, kind: str, **target: Any) -> None:
        if self.notifications is not None:
            await self.notifications.add(request, action, kind, target, actor=self.gate.actor(request))

    async def emit_manifest(self, request: web.Request, action: str, name: str, manifest: StoredManifest, reference: str) -> None:
        size = len(manifest.raw)
        url = f"{request.scheme}://{request.host}/v2/{name}/manifests/{manifest.digest}"
        target: dict[str, Any] = {"mediaType": manifest.media_type, "size": size, "digest": manifest.digest, "length": size}
        target |= {"repository": name, "url": url}
        if not is_digest(reference):
            target["tag"] = reference
        kept = ("mediaType", "size", "digest")
        target["references"] = [{key: entry[key] for key in kept if key in entry} for entry in manifest.references]
        await self.emit(request, action, "manifest", **target)

    async def emit_blob(self, request: web.Request, action: str, name: str, digest: str, size: int, **more: str) -> None:
        url = f"{request.scheme}://{request.host}/v2/{name}/blobs/{digest}"
        target = {"mediaType": "application/octet-stream", "size": size, "digest": digest, "length": size}
        await self.emit(request, action, "blob", **target, repository=name, url=url, **more)

    async def tags(self, request: web.Request, name: str, _: str, __: Fault) -> web.StreamResponse:
        return name_page(request, "tags", self.content.existing(name).tags, page_size=self.switches.page_size, name=name)

    async def referrers(self, request: web.Request, name: str, reference: str, _: Fault) -> web.StreamResponse:
        if not self.switches.referrers_api:
            return web.Response(status=404, text="404 page not found\n")
        repository = self.content.repositories.get(RepositoryName(name), Repository())
        subject = digest_in(reference)
        listed = [found.descriptor() for found in repository.manifests.values() if found.subject == subject]
        return referrers_page(request, listed, page_size=self.switches.page_size)

    async def get_manifest(self, request: web.Request, name: str, reference: str, fault: Fault) -> web.StreamResponse:
        manifest = self.content.existing(name).manifest(reference)
        await self.emit_manifest(request, "pull", name, manifest, reference)
        headers = {"Content-Type": manifest.media_type, "Docker-Content-Digest": manifest.digest, "ETag": f'"{manifest.digest}"'}
        return await send(request, manifest.raw, headers, fault)

    async def put_manifest(self, request: web.Request, name: str, reference: str, _: Fault) -> web.StreamResponse:
        repository, raw = self.content.writable(name), await request.read()
        if self.switches.conditional_put:
            _check_condition(request, repository, reference)
        media_type = request.headers.get("Content-Type", "").partition(";")[0]
        tags = request.query.getall("tag", []) if is_digest(reference) else []
        manifest = repository.put_manifest(raw, media_type, reference, tags=tags, immutable=self.switches.immutable_tags)
        for told in tags or [reference]:
            await self.emit_manifest(request, "push", name, manifest, told)
        headers = {"Location": f"/v2/{name}/manifests/{manifest.digest}", "Docker-Content-Digest": manifest.digest}
        if self.switches.oci_subject and manifest.subject:
            headers["OCI-Subject"] = manifest.subject
        if tags:
            headers["OCI-Tag"] = ", ".join(tags)
        return web.Response(status=201, headers=headers)

    async def delete_manifest(self, request: web.Request, name: str, reference: str, _: Fault) -> web.StreamResponse:
        repository = self.content.existing(name)
        if not is_digest(reference) and not self.switches.tag_delete:
            raise RefusedError(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        gone = repository.delete_manifest(reference)
        if is_digest(reference):
            await self.emit(request, "delete", "manifest", digest=reference, repository=name)
        for tag in gone:
            await self.emit(request, "delete", "tag", repository=name, tag=tag)
        return web.Response(status=202)

    async def get_blob(self, request: web.Request, name: str, reference: str, fault: Fault) -> web.StreamResponse:
        content = self.content.existing(name).blobs.get(digest_in(reference))
        if content is None:
            raise RefusedError(404, "BLOB_UNKNOWN", "blob unknown to registry")
        await self.emit_blob(request, "pull", name, reference, len(content))
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": reference, "Accept-Ranges": "bytes"}
        return await send(request, content, headers, fault)

    async def delete_blob(self, request: web.Request, name: str, reference: str, _: Fault) -> web.StreamResponse:
        if self.content.existing(name).blobs.pop(digest_in(reference), None) is None:
            raise RefusedError(404, "BLOB_UNKNOWN", "blob unknown to registry")
        await self.emit(request, "delete", "blob", digest=reference, repository=name)
        return web.Response(status=202)

    async def start_upload(self, request: web.Request, name: str, _: str, __: Fault) -> web.StreamResponse:
        if "mount" in request.query:
            mounted, asked = digest_in(request.query["mount"]), request.query.get("from")
            found = self.content.holder(mounted, asked, anywhere=self.switches.anonymous_mount)
            if found is not None:
                origin, content = found
                self.content.writable(name).blobs[mounted] = content
                await self.emit_blob(request, "mount", name, mounted, len(content), fromRepository=origin)
                return _created(name, mounted)
        if "digest" in request.query:
            return await self._finish(request, name, await request.read())
        if request.query.get("digest-algorithm", "sha256") not in {"sha256", "sha512"}:
            raise RefusedError(400, "DIGEST_INVALID", "digest algorithm is not supported")
        self.content.writable(name)
        minimum = self.switches.chunk_min_bytes
        upload = Upload(name=name, session=str(uuid.uuid4()), minimum_bytes=minimum)
        self.sessions[upload.session] = upload
        headers = {**upload.headers, "Location": f"{upload.headers['Location']}?_state=a%2Bb%3D"}
        if minimum:
            headers["OCI-Chunk-Min-Length"] = str(minimum)
        return web.Response(status=202, headers=headers)

    async def upload_chunk(self, request: web.Request, name: str, session: str, _: Fault) -> web.StreamResponse:
        chunk = await request.read()
        upload = self._upload(name, session)
        upload.append(chunk, request.headers.get("Content-Range", ""))
        return web.Response(status=202, headers=upload.headers)

    async def upload_state(self, _: web.Request, name: str, session: str, __: Fault) -> web.StreamResponse:
        return web.Response(status=204, headers=self._upload(name, session).headers)

    async def finish_upload(self, request: web.Request, name: str, session: str, _: Fault) -> web.StreamResponse:
        chunk = await request.read()
        content = self._upload(name, session).whole(chunk, request.headers.get("Content-Range", ""))
        answer = await self._finish(request, name, content)
        del self.sessions[session]
        return answer

    async def cancel_upload(self, _: web.Request, name: str, session: str, __: Fault) -> web.StreamResponse:
        del self.sessions[self._upload(name, session).session]
        return web.Response(status=204)

    async def _finish(self, request: web.Request, name: str, content: bytes) -> web.Response:
        digest = digest_in(request.query.get("digest", ""))
        self.content.writable(name).put_blob(content, digest)
        await self.emit_blob(request, "push", name, digest, len(content))
        return _created(name, digest)

    def _upload(self, name: str, session: str) -> Upload:
        upload = self.sessions.get(session)
        if upload is None or upload.name != name:
            raise RefusedError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return upload


_HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("GET", "tags"): MemoryRegistry.tags,
    ("GET", "referrers"): MemoryRegistry.referrers,
    ("GET", "manifests"): MemoryRegistry.get_manifest,
    ("HEAD", "manifests"): MemoryRegistry.get_manifest,
    ("PUT", "manifests"): MemoryRegistry.put_manifest,
    ("DELETE", "manifests"): MemoryRegistry.delete_manifest,
    ("GET", "blobs"): MemoryRegistry.get_blob,
    ("HEAD", "blobs"): MemoryRegistry.get_blob,
    ("DELETE", "blobs"): MemoryRegistry.delete_blob,
    ("POST", "uploads"): MemoryRegistry.start_upload,
    ("PATCH", "uploads"): MemoryRegistry.upload_chunk,
    ("GET", "uploads"): MemoryRegistry.upload_state,
    ("PUT", "uploads"): MemoryRegistry.finish_upload,
    ("DELETE", "uploads"): MemoryRegistry.cancel_upload,
}


@asynccontextmanager
async def serve_registry(
    *,
    switches: Switches | None = None,
    gate: Gate | None = None,
    notify: Endpoint | None = None,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[MemoryRegistry]:
    """Serve an empty registry on loopback, on `port` or any free one, until the block ends."""
    registry = MemoryRegistry(switches=switches or Switches(), gate=gate or Gate(), notify=notify)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", registry.handle)
    # Nothing here is worth waiting for at the end, an answer that a fault delays least of all.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
        await site.start()
        registry.host = Host(f"127.0.0.1:{runner.addresses[0][1]}")
        registry.url = f"{'https' if tls else 'http'}://{registry.host}"
        if registry.notifications is None:
            yield registry
            return
        try:
            async with asyncio.TaskGroup() as group:
                delivering = group.create_task(registry.notifications.run(), name="registry-notifications")
                try:
                    yield registry
                finally:
                    delivering.cancel()
        except BaseExceptionGroup as errors:
            # What the block raised is its own affair; a group around it would only hide it.
            if len(errors.exceptions) == 1:
                raise errors.exceptions[0] from errors.exceptions[0].__cause__
            raise
    finally:
        await runner.cleanup()


def _check_condition(request: web.Request, repository: Repository, reference: str) -> None:
    current = repository.tags.get(Tag(reference))  # a digest is never a key
    expected = request.headers.get("If-Match", "").strip('"')
    if (expected and expected != current) or (request.headers.get("If-None-Match") == "*" and current):
        raise RefusedError(412, "DENIED", "the tag has changed")


def _created(name: str, digest: str) -> web.Response:
    return web.Response(status=201, headers={"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})
