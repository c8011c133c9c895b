"""How far `watcher scan` is, for a person at a terminal: layers, and bytes of them against what manifests say."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from rich.filesize import decimal
from rich.progress import Progress, TaskID

from watcher.cli.terminal import bars, shows_progress
from watcher.kit.counted import counted
from watcher.kit.printable import printable
from watcher.model.digest import Digest
from watcher.model.image import Descriptor, FetchedManifest, Manifest
from watcher.model.reference import RepositoryName, Tag
from watcher.registry.pipes import heard
from watcher.registry.protocol import ImageSource

# What takes less is over before anybody has read it.
SHOWN_AFTER_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Bar:
    """Of one image with all of its platforms. Told from the threads that fetch.

    `read` are the layers that earlier images brought already, which are not fetched again.
    """

    progress: Progress
    task: TaskID
    read: set[Digest]
    _sizes: dict[Digest, int] = field(default_factory=dict)
    _come: dict[Digest, int] = field(default_factory=dict)
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, manifest: FetchedManifest) -> None:
        """There are its layers to fetch; an index has none of its own."""
        if isinstance(manifest.content, Manifest):
            fresh = {layer.digest: layer.size for layer in manifest.content.layers if layer.digest not in self.read}
            with self._lock:
                self._sizes = fresh | self._sizes
                self._show()

    def begin(self, layer: Digest) -> None:
        """Its first byte is to come, or comes once more."""
        with self._lock:
            self._come[layer] = 0

    def came(self, layer: Digest, count: int) -> None:
        with self._lock:
            self._come[layer] += count
            self._show()

    def end(self, layer: Digest) -> None:
        with self._lock:
            self._done += layer in self._sizes and layer not in self.read
            self.read.add(layer)
            self._show()

    def _show(self) -> None:
        come = sum(min(self._come.get(layer, 0), size) for layer, size in self._sizes.items())
        total = sum(self._sizes.values())
        seen = f"{self._done} of {counted(len(self._sizes), 'layer')}, {decimal(come)} of {decimal(total)}"
        self.progress.update(self.task, total=total or None, completed=come, seen=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """`ImageSource` that tells a bar what comes through it."""

    source: ImageSource
    bar: Bar

    @property
    def repository(self) -> RepositoryName:
        return self.source.repository

    async def manifest(self, reference: Tag | Digest) -> FetchedManifest:
        manifest = await self.source.manifest(reference)
        self.bar.expect(manifest)
        return manifest

    async def blob(self, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        return await self.source.blob(descriptor, limit_bytes=limit_bytes)

    async def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        return await self.source.referrers(digest)

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        self.bar.begin(descriptor.digest)
        token = heard.set(partial(self.bar.came, descriptor.digest))
        try:
            await self.source.pour(descriptor, sink, timeout_seconds=timeout_seconds)
        finally:
            heard.reset(token)
        self.bar.end(descriptor.digest)


@contextmanager
def bar(name: str, read: set[Digest]) -> Iterator[Bar | None]:
    """A bar for the image of that name once it takes a while, and None where nobody sees one."""
    if not shows_progress():
        yield None
        return
    progress = bars()
    task = progress.add_task(printable(name), total=None, seen="")
    soon = asyncio.get_running_loop().call_later(SHOWN_AFTER_SECONDS, progress.start)
    try:
        yield Bar(progress=progress, task=task, read=read)
    finally:
        soon.cancel()
        # What was never shown leaves nothing behind.
        if progress.live.is_started:
            progress.stop()
