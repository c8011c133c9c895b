"""One image: its configuration, its layers, and what they make together."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Self

from watcher.inspection.image.assembly import KnownLayer, Parts, assembled
from watcher.inspection.image.base_image import BaseFinder, FetchBase, Trusted
from watcher.inspection.image.config_secrets import secrets_of
from watcher.inspection.image_budget import ImageBudget
from watcher.inspection.layer_queue import LEAST_BYTES, LayerQueue
from watcher.inspection.layers import LayerInspection, gravest
from watcher.inspection.makers import Makers
from watcher.inspection.protocol import KnownBases, LayerCache
from watcher.inspection.runnable import image_config, unread_layers
from watcher.inspection.sbom_finder import SbomFinder
from watcher.inspection.secrets.rules import SecretRules
from watcher.inspection.settings import InspectionSettings
from watcher.inspection.workers.messages import Limits
from watcher.inspection.workers.zygote import Zygote
from watcher.kit.standstill import Standstill
from watcher.kit.units import seconds, size_bytes
from watcher.model.errors import InvalidManifestError, NotFoundError, RetryableError, TimedOutError
from watcher.model.image import Descriptor, FetchedManifest, Manifest
from watcher.model.image_json import parse_config
from watcher.model.inventory import Inventory
from watcher.registry.protocol import ImageSource


class StoodStillError(RetryableError):
    """An image ran out of its time while this process did not run. That says nothing of the image."""

    reason = "stood-still"


class Inspector:
    """`ImageInspector` with confined workers. Enter it before use; the workers end when it is left.

    `salt` keys the fingerprints of secrets: the same for as long as the store lives. `bases`, `fetch_base` and `trusted` are of
    `BaseFinder`. `counted` hears `hit` or `miss` for every layer. `makers` says whether facts that were kept still stand.
    """

    def __init__(
        self,
        settings: InspectionSettings,
        *,
        cache: LayerCache,
        salt: bytes,
        bases: KnownBases | None = None,
        fetch_base: FetchBase | None = None,
        trusted: Callable[[], Trusted | None] = lambda: None,
        counted: Callable[[str], None] = lambda _: None,
        makers: Makers | None = None,
        standstill: Standstill | None = None,
    ) -> None:
        self._rules = SecretRules.load(salt)
        self._zygote = Zygote(salt)
        self._layers = LayerInspection(
            zygote=self._zygote,
            cache=cache,
            queue=LayerQueue(settings.worker_count),
            counted=counted,
            makers=makers or Makers(file_digests=settings.file_digests),
        )
        self._bases = BaseFinder(known=bases, fetch=fetch_base, trusted=trusted)
        self._sboms = SbomFinder()
        self._max_image = size_bytes(settings.max_image)
        self._timeout_seconds = seconds(settings.timeout)
        self._limits = Limits(
            plain_bytes=size_bytes(settings.max_layer),
            files=settings.max_files,
            memory_bytes=size_bytes(settings.worker_memory),
            cpu_seconds=max(1, int(self._timeout_seconds)),
            file_digests=settings.file_digests,
        )
        self._standstill = standstill or Standstill()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises SandboxUnavailableError where workers cannot be confined, RetryableError when they do not come up."""
        await self._open.enter_async_context(self._zygote)
        await self._open.enter_async_context(self._standstill)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def inspect(self, source: ImageSource, manifest: FetchedManifest, index: FetchedManifest | None = None) -> Inventory:
        """See `ImageInspector.inspect`. Layers are read at the same time, as far as workers are free."""
        stood_still = self._standstill.seconds
        try:
            inventory, late = await self._inspected(source, manifest, index)
        except TimedOutError as error:
            late = str(error)
            if stood_still == self._standstill.seconds:
                raise
        if late and stood_still != self._standstill.seconds:
            raise StoodStillError(f"this process stood still meanwhile: {late}")
        return inventory

    async def _inspected(
        self, source: ImageSource, manifest: FetchedManifest, index: FetchedManifest | None
    ) -> tuple[Inventory, str]:
        """What is found, and what ran out of time."""
        content = manifest.content
        if not isinstance(content, Manifest):
            raise InvalidManifestError(f"{source.repository}@{manifest.digest}: an index has no layers to inspect")
        raw_config = await image_config(source, content)
        config = parse_config(raw_config)
        unread = await unread_layers(source, content, timeout_seconds=self._timeout_seconds)
        found = await asyncio.to_thread(secrets_of, config, raw_config, manifest.raw, self._rules)
        layers, overdrawn = await self._read_layers(source, content, unread, found.hidden)
        sboms = await self._sboms.find(source, manifest.digest, index)
        base, base_section = await self._bases.find(source.repository, manifest.digest, content)
        parts = Parts(
            digest=manifest.digest,
            manifest=content,
            config=config,
            layers=layers,
            found=found,
            base=base,
            base_section=base_section,
            sboms=sboms,
            overdrawn=overdrawn,
        )
        inventory = await asyncio.to_thread(assembled, parts, self._rules, max_files=self._limits.files)
        problems = [problem for layer in layers if layer for problem in layer.facts.problems]
        return inventory, next((each.detail for each in problems if each.reason == TimedOutError.reason), "")

    async def _read_layers(
        self, source: ImageSource, manifest: Manifest, unread: frozenset[int], hidden: Sequence[str]
    ) -> tuple[Sequence[KnownLayer | None], str]:
        """The facts of each layer, None for one that is not read; and why they are too much in all, empty when they are not."""
        budget = ImageBudget(
            layers=manifest.layers,
            image_bytes=self._max_image,
            layer_bytes=self._limits.plain_bytes,
            timeout_seconds=self._timeout_seconds,
        )
        tasks: dict[int, asyncio.Task[KnownLayer | None]] = {}
        image_bytes = sum(max(layer.size, LEAST_BYTES) for index, layer in enumerate(manifest.layers) if index not in unread)
        try:
            async with asyncio.TaskGroup() as group:
                for index, layer in enumerate(manifest.layers):
                    if index not in unread:
                        reading = self._layer(source, layer, budget, hidden, image_bytes)
                        tasks[index] = group.create_task(reading, name=f"layer {layer.digest}")
        except BaseExceptionGroup as errors:
            raise gravest(errors) from errors
        known = [tasks[index].result() if index in tasks else None for index in range(len(manifest.layers))]
        return known, budget.overdrawn()

    async def _layer(
        self, source: ImageSource, layer: Descriptor, budget: ImageBudget, hidden: Sequence[str], image_bytes: int
    ) -> KnownLayer | None:
        """None for one that is called non-distributable and is indeed not there: where it is, runtimes take it like any other."""
        try:
            known = await self._layers.facts(source, layer, self._limits, budget.begin, hidden, image_bytes=image_bytes)
        except NotFoundError:
            if layer.is_non_distributable:
                return None
            raise
        budget.read(known.facts.plain_bytes)
        return known
