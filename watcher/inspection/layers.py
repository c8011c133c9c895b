"""Facts of one layer: known already, being read for somebody else just now, or read by a confined worker."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from watcher.inspection.hiding import carries
from watcher.inspection.image.assembly import KnownLayer
from watcher.inspection.layer_queue import SMALL_BYTES, LayerQueue, Turn
from watcher.inspection.makers import Makers
from watcher.inspection.problems import PASSING
from watcher.inspection.protocol import LayerCache
from watcher.inspection.workers.collector import Collector, failed_facts
from watcher.inspection.workers.hearing import receive
from watcher.inspection.workers.messages import DONE, OVER_MEMORY, Ended, Limits
from watcher.inspection.workers.zygote import Worker, Zygote
from watcher.kit.deaths import LOOK_SECONDS, Deaths, is_killed, wait_unless_stopped
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, PermanentError, RetryableError, TimedOutError, WatcherError, WorkerFailedError
from watcher.model.image import Descriptor
from watcher.model.inventory import LayerFacts
from watcher.registry.protocol import ImageSource

log = structlog.get_logger(__name__)


class OverMemoryError(WorkerFailedError):
    """A worker needed more memory than it may have."""

    reason = "over-memory"


class WorkerKilledError(RetryableError):
    """Somebody else ended a worker. It is nobody's fault, unless that happens again and again over one layer."""

    reason = "worker-killed"


# Workers that are killed over one layer until that is said of it: the kernel does it when it takes all memory there is.
MOST_KILLS = 5
LARGE_NICENESS = 10

Begin = Callable[[Descriptor], float]
"""Called when it is a layer's turn to be read: the seconds it may take. Raises PermanentError when it may not be read at all."""


@dataclass(slots=True, kw_only=True)
class LayerInspection:
    """Reads layers as `queue` gives them their turns, each digest once at a time.

    `counted` hears of every layer whether its facts were known (`hit`) or read (`miss`).
    """

    zygote: Zygote
    cache: LayerCache
    queue: LayerQueue
    counted: Callable[[str], None]
    makers: Makers = field(default_factory=Makers)
    look_seconds: float = LOOK_SECONDS
    _running: dict[Digest, asyncio.Future[LayerFacts]] = field(default_factory=dict)
    _deaths: Deaths = field(default_factory=Deaths)

    async def facts(
        self,
        source: ImageSource,
        layer: Descriptor,
        limits: Limits,
        begin: Begin,
        hidden: Sequence[str] = (),
        *,
        image_bytes: int = 0,
    ) -> KnownLayer:
        """The facts of a layer. What is wrong with it is in `problems`. Facts with one of `hidden` in them are not kept.

        `image_bytes` are those of all layers that are read for the same image.

        Raises:
            RetryableError, NotFoundError: the source could not give it, or there is no process to read it with, or not any more.
        """
        while (running := self._running.get(layer.digest)) is not None:
            # Whoever reads it may be cancelled, or have no rights to it: then one of those who wait takes over.
            await asyncio.wait({running})
            if not running.cancelled():
                self.counted("hit")
                return KnownLayer(facts=running.result(), cached=True)
        promise: asyncio.Future[LayerFacts] = asyncio.get_running_loop().create_future()
        self._running[layer.digest] = promise
        try:
            facts = await self._kept(layer.digest)
            cached = facts is not None
            self.counted("hit" if cached else "miss")
            if facts is None:
                async with self.queue.turn(layer.size, image_bytes=image_bytes) as turn:
                    facts, shared = await self._read(source, layer, limits, begin, hidden, turn)
                if not shared:
                    return KnownLayer(facts=facts, cached=False)
            promise.set_result(facts)
            return KnownLayer(facts=facts, cached=cached)
        finally:
            promise.cancel()
            del self._running[layer.digest]

    async def _kept(self, digest: Digest) -> LayerFacts | None:
        """Facts that need no reading."""
        facts = await self.cache.layer(digest)
        if facts is None or facts.makers == self.makers.names:
            return facts
        return facts if await asyncio.to_thread(self.makers.stand_by, facts) else None

    async def _read(
        self, source: ImageSource, layer: Descriptor, limits: Limits, begin: Begin, hidden: Sequence[str], turn: Turn
    ) -> tuple[LayerFacts, bool]:
        """The facts, and whether they are of the layer alone: what failed for one image's budget may do for another's."""
        try:
            facts = await self._poured(source, layer, limits, begin(layer), turn)
        except NotFoundError:
            raise
        except PermanentError as error:
            log.warning("layer.failed", layer=layer.digest, reason=error.reason, error=str(error))
            return failed_facts(layer.digest, self.makers.names, layer.size, error.reason, str(error)), False
        passing = bool(PASSING.intersection(problem.reason for problem in facts.problems))
        if not passing and not await asyncio.to_thread(carries, facts, hidden):
            await self.cache.keep_layer(facts)
        return facts, True

    async def _poured(
        self, source: ImageSource, layer: Descriptor, limits: Limits, timeout_seconds: float, turn: Turn
    ) -> LayerFacts:
        """Pour the layer into a worker while its messages are heard; its facts, once every byte was verified."""
        collector = Collector(limits)
        with contextlib.ExitStack() as descriptors:
            bytes_out, bytes_in = _pipe(descriptors)
            messages_out, messages_in = os.pipe()
            try:
                worker = await self.zygote.fork(limits, bytes_out, messages_in)
            except BaseException:
                os.close(messages_out)
                raise
            finally:
                os.close(messages_in)
            if layer.size > SMALL_BYTES:
                # What small layers and the loop need of the processors, they get before a large one does.
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, worker.pid, os.getpriority(os.PRIO_PROCESS, 0) + LARGE_NICENESS)
            try:
                async with asyncio.timeout(timeout_seconds), asyncio.TaskGroup() as group:
                    hearing = group.create_task(receive(messages_out, collector.add), name=f"layer-results {layer.digest}")
                    pouring = group.create_task(
                        source.pour(layer, bytes_in, timeout_seconds=timeout_seconds),
                        name=f"layer-bytes {layer.digest}",
                    )
                    # The other end of this pipe stays open here as well, so a worker that closes its own to avoid being checked
                    # gains nothing: `pour` returning means that all of the layer was poured and verified.
                    await self._wait(worker, {pouring, worker.ended}, turn, return_when=asyncio.FIRST_COMPLETED)
                    verified = pouring.done()
                    if not verified:
                        pouring.cancel()
                    await asyncio.wait({pouring})  # its thread has the pipe until then
                    descriptors.close()
                    await self._wait(worker, {hearing}, turn)
                    ended = await self.zygote.ended(worker)
            except TimeoutError as error:
                raise TimedOutError(f"layer {layer.digest}: not read within {timeout_seconds:.0f} s") from error
            except BaseExceptionGroup as errors:
                raise gravest(errors) from errors
            finally:
                self.zygote.kill(worker)
        if not is_killed(ended.code):
            self._deaths.survived(layer.digest)
        elif self._deaths.count(layer.digest) < MOST_KILLS:
            raise WorkerKilledError(f"layer {layer.digest}: somebody else ended its worker, with {_how(ended)}")
        return await asyncio.to_thread(_judged, layer, collector, ended, self.makers, verified=verified)

    async def _wait(
        self,
        worker: Worker,
        futures: Collection[asyncio.Future[Any]],
        turn: Turn,
        *,
        return_when: str = asyncio.ALL_COMPLETED,
    ) -> None:
        await wait_unless_stopped(
            futures,
            pid=worker.pid,
            end=partial(self.zygote.kill, worker),
            idle=turn.give_way,
            return_when=return_when,
            look_seconds=self.look_seconds,
        )


def _pipe(descriptors: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        descriptors.callback(os.close, end)
    return ends


def _judged(layer: Descriptor, collector: Collector, ended: Ended, makers: Makers, *, verified: bool) -> LayerFacts:
    """The facts, when the worker came to its end and everything it was given was verified."""
    log.debug("layer.read", layer=layer.digest, code=ended.code, peak_bytes=ended.peak_bytes, cpu_seconds=ended.cpu_seconds)
    if ended.code == OVER_MEMORY:
        raise OverMemoryError(f"layer {layer.digest}: needs more memory than inspection.worker_memory allows")
    if ended.code == -signal.SIGXCPU:
        raise TimedOutError(f"layer {layer.digest}: needs more processor time than inspection.timeout allows")
    if ended.code != DONE:
        raise WorkerFailedError(
            f"layer {layer.digest}: its worker ended with {_how(ended)}; {collector.refusal or 'it did not say why'}"
        )
    if not verified:
        raise WorkerFailedError(f"layer {layer.digest}: its worker ended before it had been given all of it")
    facts = collector.facts(layer.digest, makers.names)
    if facts.compressed_bytes != layer.size:
        raise WorkerFailedError(f"layer {layer.digest}: its worker read {facts.compressed_bytes} of {layer.size} bytes")
    return facts


def _how(ended: Ended) -> str:
    return f"exit code {ended.code}" if ended.code > 0 else signal.Signals(-ended.code).name


def gravest(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one to act on: a fault of ours, what may be tried again, what the source says; last what a worker did."""
    leaves = [gravest(error) if isinstance(error, BaseExceptionGroup) else error for error in errors.exceptions]

    def rank(error: BaseException) -> int:
        if not isinstance(error, WatcherError):
            return 0
        if isinstance(error, RetryableError):
            return 1
        return 3 if isinstance(error, WorkerFailedError) else 2

    return min(leaves, key=rank)
