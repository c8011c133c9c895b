"""Layers through the real zygote and confined workers: facts, failures of every kind, and who waits for whom."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from tests.doubles.image_sources import LIMITS, MemoryImages, gzipped, layer_tar, tar_of
from tests.doubles.layer_bench import LayerBench, slow_images, until, workers
from watcher.inspection.confined.sandbox import REQUIRED
from watcher.inspection.image.assembly import KnownLayer
from watcher.inspection.layer_queue import SMALL_BYTES
from watcher.inspection.layers import LARGE_NICENESS, MOST_KILLS, WorkerKilledError
from watcher.inspection.makers import Makers
from watcher.inspection.workers.messages import Limits
from watcher.inspection.workers.zygote import Zygote
from watcher.model.errors import AuthenticationError, NotFoundError, TooLargeError
from watcher.model.image import Descriptor
from watcher.model.inventory import LayerFacts

pytestmark = pytest.mark.timeout(60)

STATUS = b"Package: openssl\nStatus: install ok installed\nVersion: 3.0.11-1\nArchitecture: amd64\n\n"
KEY = b"AKIA" + b"XGAI3MCJB5MCVSQO"  # made up, and split so that no scanner takes this file for a leak


@pytest.fixture
async def bench() -> AsyncIterator[LayerBench]:
    async with Zygote(b"salt") as zygote:
        yield LayerBench(zygote)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_layer_becomes_facts_and_is_kept(bench: LayerBench) -> None:
    """Entries, packages, texts and secrets; the second time nothing is read."""
    files = {"var/lib/dpkg/status": STATUS, "etc/os-release": b"ID=debian\n", "root/key": KEY}
    layer = bench.images.add_layer(layer_tar(files))
    known = await bench.read(layer)
    facts = known.facts
    assert not known.cached
    assert (facts.digest, facts.makers, facts.compressed_bytes) == (layer.digest, Makers().names, layer.size)
    assert facts.files.path == list(files)
    assert [package.name for package in facts.databases[0].packages] == ["openssl"]
    assert facts.texts == {"etc/os-release": b"ID=debian\n"}
    assert [(hit.rule, hit.path, hit.line) for hit in facts.secrets] == [("aws-access-key-id", "root/key", 1)]
    assert facts.problems == ()
    again = await bench.read(layer)
    assert again == KnownLayer(facts=facts, cached=True)
    assert (bench.images.poured, bench.counted) == ([layer.digest], ["miss", "hit"])


async def test_workers_are_confined_and_say_so() -> None:
    """What holds is logged once, when the zygote is ready."""
    with structlog.testing.capture_logs() as logs:
        async with Zygote(b"salt"):
            pass
    (checked,) = [entry for entry in logs if entry["event"] == "sandbox.checked"]
    assert set(checked["held"]) >= REQUIRED


async def test_a_layer_of_zeros_costs_time_and_no_memory(bench: LayerBench) -> None:
    """Half a gibibyte of zeros in half a megabyte is read whole; the worker stays small."""
    member = tar_of(("zeros", b""))[:512]
    size = 1 << 29
    header = bytearray(member)
    header[124:136] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    raw = gzipped(bytes(header)) + gzipped(bytes(1 << 24)) * 32 + gzipped(bytes(1024))
    layer = bench.images.add_layer(raw)
    with structlog.testing.capture_logs() as logs:
        facts = (await bench.read(layer)).facts
    assert (facts.files.size, facts.problems) == ([size], ())
    (done,) = [entry for entry in logs if entry["event"] == "layer.read"]
    assert done["peak_bytes"] < 128 * 1024 * 1024


async def test_wrong_bytes_leave_no_facts(bench: LayerBench) -> None:
    """The worker has read them, but they are not those of the digest."""
    layer = bench.images.add_layer(layer_tar({"good": b""}))
    bench.images.lies[layer.digest] = layer_tar({"evil": b""})
    assert (await bench.problem(layer))[0] == "digest-mismatch"


async def test_what_the_source_cannot_give_is_raised(bench: LayerBench) -> None:
    """A blob that is not there, and a registry that refuses: not the layer's fault."""
    layer = bench.images.add_layer(layer_tar({"a": b""}))
    del bench.images.blobs[layer.digest]
    with pytest.raises(NotFoundError):
        await bench.read(layer)

    class Refusing(MemoryImages):
        async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
            raise AuthenticationError("refused")

    with pytest.raises(AuthenticationError):
        await bench.read(layer, images=Refusing())
    assert not bench.cache.kept
    assert not bench.layers._running


async def test_a_worker_without_enough_memory_says_so(bench: LayerBench) -> None:
    """The budget is on top of what it starts with."""
    layer = bench.images.add_layer(layer_tar({"var/lib/dpkg/status": STATUS * 200_000}))
    tight = Limits(plain_bytes=1 << 30, files=1000, memory_bytes=8 << 20, cpu_seconds=20)
    reason, detail = await bench.problem(layer, tight)
    assert reason == "over-memory"
    assert "worker_memory" in detail


async def test_a_worker_without_enough_time_says_so(bench: LayerBench) -> None:
    """Processor time by the kernel, time on the wall by the daemon."""
    header = tar_of(("a", b""))[:512]
    layer = bench.images.add_layer(gzipped(header * 10_000) * 100)
    slow = Limits(plain_bytes=1 << 40, files=10_000_000, memory_bytes=1 << 28, cpu_seconds=1)
    reason, detail = await bench.problem(layer, slow)
    assert reason == "timed-out"
    assert "processor time" in detail
    reason, detail = await bench.problem(layer, seconds=0.05)
    assert reason == "timed-out"


async def test_a_budget_that_is_spent_reads_nothing(bench: LayerBench) -> None:
    """The image's budget is asked when it is the layer's turn; another image may still have one."""
    layer = bench.images.add_layer(layer_tar({"a": b""}))

    def spent(_: Descriptor) -> float:
        raise TooLargeError("nothing left")

    facts = (await bench.layers.facts(bench.images, layer, LIMITS, spent)).facts
    assert [problem.reason for problem in facts.problems] == ["too-large"]
    assert bench.images.poured == []
    assert (await bench.read(layer)).facts.problems == ()


async def test_facts_cut_short_by_a_limit_are_not_kept(bench: LayerBench) -> None:
    """They say what we were ready to spend, and tomorrow that may be more."""
    layer = bench.images.add_layer(layer_tar({str(number): b"" for number in range(20)}))
    few = Limits(plain_bytes=1 << 30, files=10, memory_bytes=1 << 28, cpu_seconds=20)
    facts = (await bench.read(layer, few)).facts
    assert [problem.reason for problem in facts.problems] == ["over-budget"]
    assert not bench.cache.kept
    assert (await bench.read(layer)).facts.problems == ()


async def test_a_worker_that_is_killed_is_said_to_be(bench: LayerBench) -> None:
    """By the kernel or by anybody: the layer is unknown with the signal's name, and the next one is read."""
    images = slow_images()
    layer = images.add_layer(layer_tar({"a": b""}))
    reading = asyncio.create_task(bench.read(layer, images=images))
    await until(lambda: len(workers(bench.zygote)) == 1)
    os.kill(workers(bench.zygote)[0], signal.SIGSEGV)
    facts = (await reading).facts
    assert [problem.reason for problem in facts.problems] == ["worker-failed"]
    assert "SIGSEGV" in facts.problems[0].detail
    images.go.set()
    assert (await bench.read(layer, images=images)).facts.files.path == ["a"]


async def test_a_worker_that_others_kill_says_nothing_of_its_layer(bench: LayerBench) -> None:
    """It is tried again; only when that goes on it is said of the layer, since the kernel does it to what takes all memory."""
    images = slow_images()
    layer, other = images.add_layer(layer_tar({"a": b""})), images.add_layer(layer_tar({"b": b""}))
    for _ in range(MOST_KILLS - 1):
        with pytest.raises(WorkerKilledError, match="SIGKILL"):
            await signalled(bench, layer, images, signal.SIGKILL)
    with pytest.raises(WorkerKilledError):
        await signalled(bench, other, images, signal.SIGKILL)
    (problem,) = (await signalled(bench, layer, images, signal.SIGKILL)).facts.problems
    assert (problem.reason, "SIGKILL" in problem.detail) == ("worker-failed", True)
    images.go.set()
    assert (await bench.read(layer, images=images)).facts.files.path == ["a"]
    images.go.clear()


async def test_a_worker_that_others_stop_is_ended(bench: LayerBench) -> None:
    """Nobody may ever let it go on. It is tried again, by the same zygote."""
    bench.layers.look_seconds = 0.02
    images, process = slow_images(), bench.zygote._process
    layer = images.add_layer(layer_tar({"a": b""}))
    with pytest.raises(WorkerKilledError):
        await signalled(bench, layer, images, signal.SIGSTOP)
    images.go.set()
    assert (await bench.read(layer, images=images)).facts.files.path == ["a"]
    assert bench.zygote._process is process


async def signalled(bench: LayerBench, layer: Descriptor, images: MemoryImages, number: signal.Signals) -> KnownLayer:
    """Read a layer whose worker somebody sends a signal."""
    reading = asyncio.create_task(bench.read(layer, images=images))
    await until(lambda: len(workers(bench.zygote)) == 1)
    os.kill(workers(bench.zygote)[0], number)
    return await reading


async def test_a_cancelled_layer_leaves_nothing_behind(bench: LayerBench) -> None:
    """No worker, no descriptor, nobody who waits; the next request reads it anew."""
    images = slow_images()
    layer = images.add_layer(layer_tar({"a": b""}))
    before = open_descriptors()
    reading = asyncio.create_task(bench.read(layer, images=images))
    await until(lambda: len(workers(bench.zygote)) == 1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until(lambda: workers(bench.zygote) == [])
    assert open_descriptors() == before
    assert not bench.layers._running
    images.go.set()
    assert (await bench.read(layer, images=images)).facts.files.path == ["a"]


async def test_two_images_that_share_a_layer_read_it_once(bench: LayerBench) -> None:
    """The second waits for the first."""
    images = slow_images()
    layer = images.add_layer(layer_tar({"a": b""}))
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(bench.read(layer, images=images)) for _ in range(2))
        await until(lambda: len(images.poured) == 1)
        images.go.set()
    assert first.result().facts is second.result().facts
    assert (first.result().cached, second.result().cached) == (False, True)
    assert images.poured == [layer.digest]


async def test_whoever_waits_takes_over_from_one_that_gave_up(bench: LayerBench) -> None:
    """Because it was cancelled, or because its source failed."""
    images = slow_images()
    layer = images.add_layer(layer_tar({"a": b""}))
    first = asyncio.create_task(bench.read(layer, images=images))
    await until(lambda: len(images.poured) == 1)
    second = asyncio.create_task(bench.read(layer, images=images))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    images.go.set()
    assert (await second).facts.files.path == ["a"]
    assert len(images.poured) == 2


async def test_layers_are_read_at_the_same_time_up_to_the_slots(bench: LayerBench) -> None:
    """Two slots, so of four layers two wait for their turn."""
    images = slow_images()
    layers = [images.add_layer(layer_tar({str(number): b""})) for number in range(4)]
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(bench.read(layer, images=images)) for layer in layers]
        await until(lambda: len(images.poured) == 2)
        assert len(workers(bench.zygote)) == 2
        images.go.set()
    assert [task.result().facts.files.path for task in reading] == [["0"], ["1"], ["2"], ["3"]]


@pytest.mark.parametrize(("size", "more"), [(100, 0), (SMALL_BYTES + 1, LARGE_NICENESS)])
async def test_a_large_layer_leaves_the_processors_to_others(bench: LayerBench, size: int, more: int) -> None:
    """Its worker gets what small layers and the daemon do not need."""
    images = slow_images()
    layer = images.add_layer(bytes(size))
    reading = asyncio.create_task(bench.read(layer, images=images))
    await until(lambda: len(images.poured) == 1)
    (worker,) = workers(bench.zygote)
    assert os.getpriority(os.PRIO_PROCESS, worker) == min(os.getpriority(os.PRIO_PROCESS, 0) + more, 19)
    reading.cancel()
    await asyncio.wait({reading})


async def test_registries_that_are_slow_do_not_hold_up_others(bench: LayerBench) -> None:
    """As many layers as there are places wait for their bytes, and another is read."""
    bench.layers.look_seconds = 0.1
    slow = slow_images()
    layers = [slow.add_layer(layer_tar({str(number): b""})) for number in range(2)]
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(bench.read(layer, images=slow)) for layer in layers]
        await until(lambda: len(slow.poured) == 2)
        assert (await bench.read(bench.images.add_layer(layer_tar({"other": b""})))).facts.files.path == ["other"]
        assert not any(task.done() for task in reading)
        slow.go.set()
    assert [task.result().facts.files.path for task in reading] == [["0"], ["1"]]


async def test_damaged_layers_are_facts_as_well(bench: LayerBench) -> None:
    """Their bytes are what the digest says, so what is wrong with them is known for good."""
    layer = bench.images.add_layer(gzipped(b"not a tar" * 100))
    facts: LayerFacts = (await bench.read(layer)).facts
    assert [(problem.reason, problem.fatal) for problem in facts.problems] == [("not-a-tar", True)]
    assert (await bench.read(layer)).cached
    assert bench.cache.kept[layer.digest] == facts
