"""A canary: an image of our own that is pushed as anybody's is, to see how long the way from a push to its verdict takes.

Two images take turns under one tag, so that every push moves it, and nothing piles up in the registry.
"""

import asyncio
import gzip
import io
import random
import tarfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

import msgspec
import structlog

from watcher.kit.units import seconds
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import PermanentError, RetryableError
from watcher.model.image import OCI_CONFIG, OCI_MANIFEST
from watcher.model.reference import Host, Tag
from watcher.model.verdict import REEVALUATION, Verdict
from watcher.pipeline.canary_settings import CanarySettings
from watcher.registry.protocol import RegistryAccess
from watcher.store.protocol import VerdictStore

log = structlog.get_logger(__name__)

TAG = Tag("canary")
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
FIRST_SECONDS = 60.0
JITTER = 0.1
LOOK_SECONDS = 0.25


class Flight(StrEnum):
    """How a push of the canary ended."""

    JUDGED = "judged"
    LATE = "late"
    NOT_PUSHED = "not-pushed"


class Canary:
    """One canary. `told` hears of every flight: (registry, how it ended, seconds from push to verdict where there is one)."""

    def __init__(
        self,
        settings: CanarySettings,
        *,
        access: RegistryAccess,
        verdicts: VerdictStore,
        told: Callable[[Host, Flight, float | None], None],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._host, self._repository = settings.host, settings.name
        self._every_seconds, self._timeout_seconds = seconds(settings.every), seconds(settings.timeout)
        self._access = access
        self._verdicts = verdicts
        self._told = told
        self._monotonic = monotonic
        self._sleep = sleep
        self._chance = chance

    async def run(self) -> NoReturn:
        """Fly until cancelled."""
        await self._sleep(FIRST_SECONDS)
        while True:
            await self.fly()
            await self._sleep(self._every_seconds * (1 + JITTER * (2 * self._chance() - 1)))

    async def fly(self) -> Flight:
        """Push it once, and wait for its verdict."""
        try:
            image = await self._next()
            before = await self._latest(image.digest)
            await self._push(image)
        except (RetryableError, PermanentError) as error:
            place = f"{self._host}/{self._repository}"
            log.warning("canary.not_pushed", repository=place, reason=error.reason, detail=str(error))
            self._told(self._host, Flight.NOT_PUSHED, None)
            return Flight.NOT_PUSHED
        pushed_at = self._monotonic()
        while (waited := self._monotonic() - pushed_at) < self._timeout_seconds:
            verdict = await self._answer(image.digest, before)
            if verdict is not None:
                source = verdict.origin.source if verdict.origin else None
                log.info("canary.judged", registry=self._host, seconds=round(waited, 2), outcome=verdict.outcome, source=source)
                self._told(self._host, Flight.JUDGED, waited)
                return Flight.JUDGED
            await self._sleep(LOOK_SECONDS)
        log.warning("canary.late", registry=self._host, repository=self._repository, seconds=self._timeout_seconds)
        self._told(self._host, Flight.LATE, None)
        return Flight.LATE

    async def _next(self) -> "CanaryImage":
        """The one of the two that the tag does not lead to."""
        now = await self._access.manifests(self._repository).head(TAG)
        return next(each for each in IMAGES if each.digest != now)

    async def _push(self, image: "CanaryImage") -> None:
        for blob in (image.config, image.layer):
            await self._access.uploads.put_blob(self._repository, blob)
        await self._access.uploads.put_manifest(self._repository, TAG, image.manifest, OCI_MANIFEST)

    async def _answer(self, digest: Digest, before: Verdict | None) -> Verdict | None:
        """The verdict that this push led to. That of an image judged again for our own reasons answers nobody."""
        try:
            verdict = await self._latest(digest)
        except RetryableError:
            return None  # the store cannot be read now
        again = verdict is not None and verdict.origin is not None and verdict.origin.source == REEVALUATION
        return None if again or verdict is None or (before is not None and verdict.id == before.id) else verdict

    async def _latest(self, digest: Digest) -> Verdict | None:
        return await self._verdicts.latest(digest, registry=self._host, repository=self._repository)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryImage:
    """As it is pushed."""

    config: bytes
    layer: bytes
    manifest: bytes

    @property
    def digest(self) -> Digest:
        return digest_of(self.manifest)


def _image(name: str) -> CanaryImage:
    """The same bytes each time."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        content = f"{name}: pushed by Registry Watcher to see how long a verdict takes\n".encode()
        member = tarfile.TarInfo("canary")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    layer = gzip.compress(plain.getvalue(), mtime=0)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"User": "65532", "Labels": {"org.opencontainers.image.title": "canary of Registry Watcher"}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(plain.getvalue())]},
        }
    )
    described = [_described(OCI_CONFIG, config), _described(LAYER_TYPE, layer)]
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0], "layers": described[1:]}
    return CanaryImage(config=config, layer=layer, manifest=_json(manifest))


def _described(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


IMAGES = (_image("first"), _image("second"))
