"""Whether one image of a registry can be read, as the watcher reads it. A part of `probe`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from watcher.kit.checkup import Found, Result
from watcher.kit.counted import counted
from watcher.model.digest import Digest, digest_as, digest_of, is_digest
from watcher.model.errors import RegistryUnavailableError, TooLargeError
from watcher.model.image import MAX_MANIFEST_BYTES, OCI_INDEX, Descriptor, FetchedManifest, Index
from watcher.model.image_json import parse_manifest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.referrers_tag import fallback_tag
from watcher.registry.answers import REFUSALS
from watcher.registry.challenges import scope
from watcher.registry.client import ACCEPT, RegistryClient
from watcher.registry.manifests import RegistryImages
from watcher.registry.protocol import ListIncompleteError
from watcher.registry.referrers import RegistryReferrers
from watcher.registry.wire import Response

# Enough of a layer to see that bytes come, and from where.
PIECE_BYTES = 16
# Below this share of what a registry grants in its window, a scan of a few images uses up the rest.
FEW_LEFT = 0.1
_DIGITS = re.compile(r"[0-9]{1,15}")


@dataclass(slots=True)
class Pulling:
    """One image, step by step; each step needs those before it."""

    client: RegistryClient
    repository: RepositoryName
    reference: Tag | Digest
    manifest: FetchedManifest | None = None
    head_headers: Mapping[str, str] = field(default_factory=dict)

    async def head(self) -> Found:
        """What the registry says of the manifest without giving it."""
        response = await self._ask("HEAD", f"manifests/{self.reference}", headers={"Accept": ACCEPT})
        self.head_headers = response.headers
        kind = response.headers.get("Content-Type", "no content type")
        claimed = response.headers.get("Docker-Content-Digest", "")
        if not is_digest(claimed):
            unsaid = f"{kind}; it does not say which digest"
            return Found(detail=unsaid, result=Result.WARNING, advice="each look at a tag then costs a whole GET")
        return Found(detail=f"{self.reference} is {_short(claimed)}, {kind}")

    async def get(self) -> Found:
        """The manifest itself, held against its digest and against what HEAD said."""
        response = await self._ask("GET", f"manifests/{self.reference}", headers={"Accept": ACCEPT}, limit_bytes=MAX_MANIFEST_BYTES)
        kind = response.headers.get("Content-Type", "")
        expected = [text for text in (self.reference, response.headers.get("Docker-Content-Digest", "")) if is_digest(text)]
        body = (response.bytes_of(Digest(expected[0])) if expected else None) or response.body
        content = parse_manifest(body, kind)
        digest = digest_as(body, Digest(expected[0])) if expected else digest_of(body)
        self.manifest = FetchedManifest(digest=digest, media_type=content.media_type, raw=body, content=content)
        if any(digest_as(body, Digest(each)) != each for each in expected):
            advice = "something between here and the registry changes what it serves"
            return Found(detail=f"the bytes are {_short(digest)}, not what they are called", result=Result.FAILED, advice=advice)
        differing = _differing(self.head_headers, response)
        limit, is_low = _rate_limit(response.headers)
        detail = f"{counted(len(body), 'byte')}{limit}"
        if differing:
            said = f"{detail}; HEAD and GET differ in {', '.join(differing)}"
            return Found(detail=said, result=Result.WARNING, advice="a proxy or cache answers one of them")
        if is_low:
            return Found(detail=detail, result=Result.WARNING, advice="use credentials with a higher limit, or a mirror")
        return Found(detail=detail)

    async def blob(self) -> Found:
        """The first bytes of the smallest layer, wherever they are kept."""
        layer = await self._layer()
        if layer is None:
            return Found(detail="the image has no layer that its registry keeps", result=Result.SKIPPED)
        path = f"blobs/{layer.digest}"
        head = await self._ask("HEAD", path, accept=REFUSALS | {200})
        try:
            got = await self._ask(
                "GET", path, headers={"Range": f"bytes=0-{PIECE_BYTES - 1}"}, accept=frozenset({200, 206}), limit_bytes=PIECE_BYTES
            )
            ranged = got.status == 206 or layer.size <= PIECE_BYTES
            came = got.url
        except TooLargeError:
            ranged, came = False, head.url
        away = came.origin() != self.client.base_url.origin()
        detail = f"a layer of {counted(layer.size, 'byte')} comes from {came.authority if away else 'the registry itself'}"
        if head.status != 200:
            detail += f"; HEAD of it is answered {head.status}"
        if not ranged:
            advice = "nothing to do: what breaks off begins anew"
            return Found(detail=f"{detail}, always whole: it ignores Range", result=Result.WARNING, advice=advice)
        return Found(detail=detail)

    async def referrers(self) -> Found:
        """What is attached to the image, and by which of the two ways."""
        assert self.manifest is not None
        digest = self.manifest.digest
        accepted = REFUSALS | {200}
        answer = await self._ask(
            "GET", f"referrers/{digest}", headers={"Accept": OCI_INDEX}, accept=accepted, limit_bytes=MAX_MANIFEST_BYTES
        )
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        try:
            listed = await RegistryReferrers(self.client).list_referrers(self.repository, digest)
            count = f"{len(listed)} attached" if listed else "nothing attached"
        except ListIncompleteError as error:
            count = f"more than {len(error.found)} attached"
        except RegistryUnavailableError as error:
            silent = f"neither the Referrers API nor the tag in its stead says what is attached: {error}"
            return Found(detail=silent, result=Result.WARNING, advice="nothing to do where it never had that API")
        if answer.status == 200 and kind == OCI_INDEX:
            return Found(detail=f"Referrers API; {count}")
        says = f"200, but {kind or 'of no type'}" if answer.status == 200 else str(answer.status)
        tag = str(fallback_tag(digest))
        return Found(detail=f"no Referrers API (answered {says}), so the tag {tag[:19]}… stands in; {count}")

    async def _layer(self) -> Descriptor | None:
        """The smallest; of an index, that of its first image."""
        assert self.manifest is not None
        content = self.manifest.content
        if isinstance(content, Index):
            first = next((each for each in content.manifests if each.platform != "unknown/unknown"), None)
            if first is None:
                return None
            content = (await RegistryImages(self.client, self.repository).manifest(first.digest)).content
            if isinstance(content, Index):
                return None
        kept = [each for each in (*content.layers, content.config) if not each.is_non_distributable]
        layers = [each for each in kept if each in content.layers] or kept
        return min(layers, key=lambda each: each.size, default=None)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset({200}),
        limit_bytes: int = 65536,
    ) -> Response:
        return await self.client.request(
            method,
            f"/v2/{self.repository}/{path}",
            scopes=frozenset({scope(self.repository, "pull")}),
            headers=headers,
            accept=accept,
            limit_bytes=limit_bytes,
            attempts=1,
        )


def _short(digest: str) -> str:
    return digest[:19]


def _differing(head: Mapping[str, str], got: Response) -> list[str]:
    """What HEAD said otherwise. Whoever says nothing of it says nothing else."""
    told = {name: got.headers.get(name) for name in ("Content-Type", "Docker-Content-Digest")}
    told["Content-Length"] = str(len(got.received))
    # Some registries say 0 of the body that a HEAD does not have.
    return [name for name, value in told.items() if value is not None and head.get(name) not in {None, "0", value}]


def _rate_limit(headers: Mapping[str, str]) -> tuple[str, bool]:
    """What is left of a limit, in words, and whether that is little. Docker Hub writes `98;w=21600`."""
    left, most = (headers.get(f"RateLimit-{name}", "").partition(";") for name in ("Remaining", "Limit"))
    remaining, limit = _number(left[0]), _number(most[0])
    if remaining is None or limit is None:
        return "", False
    window = _number(most[2].strip().removeprefix("w="))
    per = "" if window is None else f" in {window / 3600:g} h"
    return f"; rate limit: {remaining} of {limit} left{per}", remaining < limit * FEW_LEFT


def _number(text: str) -> int | None:
    """None of what no counter says: `isdigit` alone takes the digits of every script, and `int` no more than some thousands."""
    found = _DIGITS.fullmatch(text.strip())
    return None if found is None else int(found[0])
