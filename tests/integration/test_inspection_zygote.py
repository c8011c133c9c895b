"""The process that workers come from: what it has, and how it ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.image_sources import layer_tar
from tests.doubles.layer_bench import LayerBench, slow_images, until, workers
from watcher.inspection.workers.zygote import Zygote, ZygoteLostError

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def bench() -> AsyncIterator[LayerBench]:
    async with Zygote(b"salt") as zygote:
        yield LayerBench(zygote)


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_a_zygote_has_no_environment(bench: LayerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the daemon's environment reaches it, and so no worker."""
    monkeypatch.setenv("REGISTRY_PASSWORD", "hunter2")
    await bench.read(bench.images.add_layer(layer_tar({"a": b""})))
    process = bench.zygote._process
    assert process is not None
    assert environment(process.pid) == b""


@pytest.mark.parametrize("when", ["before it is asked", "while a worker reads"])
async def test_a_zygote_that_does_not_answer_is_replaced(when: str) -> None:
    """Somebody has stopped it. Its workers end with it, and the next layer is read by those of another."""
    async with Zygote(b"salt", answer_seconds=0.3) as zygote:
        bench, images, stopped = LayerBench(zygote), slow_images(), zygote._process
        assert stopped is not None
        layer = images.add_layer(layer_tar({"a": b""}))
        if when == "while a worker reads":
            reading = asyncio.create_task(bench.read(layer, images=images))
            await until(lambda: len(workers(zygote)) == 1)
            os.kill(stopped.pid, signal.SIGSTOP)
            images.go.set()
            with pytest.raises(ZygoteLostError):
                await reading
        else:
            os.kill(stopped.pid, signal.SIGSTOP)
        images.go.set()
        assert (await bench.read(layer, images=images)).facts.files.path == ["a"]
        assert zygote._process is not stopped
        assert stopped.returncode == -signal.SIGKILL


async def test_a_zygote_that_dies_is_replaced(bench: LayerBench) -> None:
    """Who was reading tries again later; its workers die with it; the next layer gets a new one."""
    images = slow_images()
    layer = images.add_layer(layer_tar({"a": b""}))
    reading = asyncio.create_task(bench.read(layer, images=images))
    await until(lambda: len(workers(bench.zygote)) == 1)
    worker = workers(bench.zygote)[0]
    process = bench.zygote._process
    assert process is not None
    process.kill()
    with pytest.raises(ZygoteLostError):
        await reading
    await until(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text())
    images.go.set()
    assert (await bench.read(layer, images=images)).facts.files.path == ["a"]
    assert bench.zygote._process is not process


async def test_a_closed_zygote_reads_nothing(bench: LayerBench) -> None:
    """Whoever is late hears so; closing twice is closing once."""
    await bench.zygote.aclose()
    await bench.zygote.aclose()
    with pytest.raises(ZygoteLostError, match="closed"):
        await bench.read(bench.images.add_layer(layer_tar({"a": b""})))


async def test_signals_of_the_terminal_do_not_end_it(bench: LayerBench) -> None:
    """Ctrl-C and systemd reach every process; the daemon drains first."""
    process = bench.zygote._process
    assert process is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    assert (await bench.read(bench.images.add_layer(layer_tar({"a": b""})))).facts.files.path == ["a"]
    assert bench.zygote._process is process
