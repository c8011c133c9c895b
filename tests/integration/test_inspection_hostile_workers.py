"""Workers that misbehave on purpose, through the real zygote: none of them gets a fact into the store, or the daemon to wait."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.doubles.image_sources import LIMITS, MemoryImages
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.layer_queue import LayerQueue
from watcher.inspection.layers import LayerInspection
from watcher.inspection.workers.zygote import SandboxUnavailableError, Zygote, ZygoteLostError
from watcher.model.inventory import Problem

pytestmark = pytest.mark.timeout(60)

# Runs in the zygote before it begins; what it changes, its workers have.
PROGRAM = """
import sys; sys.path[:] = sys.argv[1:]
import os, time
import watcher.inspection.confined.sandbox as sandbox, watcher.inspection.confined.worker as worker
from watcher.inspection.workers.messages import *
from watcher.inspection.confined.layer_reader import LayerReader
honest = LayerReader.read
{}
from watcher.inspection.confined.zygote_process import main; main()
"""

DONE = "send(1, Done(compressed_bytes=SIZE, plain_bytes=1))"
ROWS = "Rows(path=['p'], kind='f', mode=[0], uid=[0], gid=[0], size=[0], link=[''])"

# Larger than what a pipe holds, so that it cannot have been poured before the worker has done what it wants to do.
RAW = bytes(range(256)) * 40_000


@asynccontextmanager
async def with_workers(change: str, **limits: float) -> AsyncIterator[Zygote]:
    async with Zygote(b"salt", program=PROGRAM.format(change), **limits) as zygote:
        yield zygote


async def problem(zygote: Zygote, raw: bytes, *, seconds: float = 20) -> Problem:
    """What is said of a layer that such a worker reads; nothing is kept."""
    images, cache = MemoryImages(), MemoryLayerCache()
    layer = images.add_layer(raw)
    layers = LayerInspection(zygote=zygote, cache=cache, queue=LayerQueue(1), counted=lambda _: None)
    known = await layers.facts(images, layer, LIMITS, lambda _: seconds)
    assert not cache.kept
    assert len(known.facts.files) == 0
    (found,) = known.facts.problems
    return found


def reading(body: str, raw: bytes) -> str:
    """Workers whose `read` is `body`."""
    lines = body.replace("SIZE", str(len(raw))).splitlines()
    return "def read(self, source):\n" + "\n".join(f"    {line}" for line in lines) + "\nLayerReader.read = read"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"os.close(0)\n{DONE}", "before it had been given all of it"),
        (DONE, "before it had been given all of it"),
        (f"os.close(0)\n{DONE}\ntime.sleep(60)", "not read within"),
        ("source.drain()\nsend(1, Done(compressed_bytes=1, plain_bytes=1))", f"read 1 of {len(RAW)} bytes"),
        ("source.drain()", "without saying that it was done"),
        (f"source.drain()\n{DONE}\nsend(1, {ROWS})", "went on after"),
        (f"source.drain()\nwhile True: send(1, {ROWS})", "too many entries"),
        ("os.write(1, bytes([255]) * 100_000)\nsource.drain()", "a frame of"),
        ("os.write(1, bytes([0, 0, 0, 1, 0xc1]))\nsource.drain()", "no message"),
        ("raise ValueError('what the layer made it say')", "ValueError at"),
        ("os._exit(5)", "exit code 5"),
        ("os.open('/etc/passwd', 0)", "PermissionError at"),
        ("bytearray(1 << 40)", "worker_memory"),
    ],
)
async def test_a_worker_that_misbehaves_leaves_no_facts(body: str, expected: str) -> None:
    """It lies about what it read, stops reading, never ends, floods, crashes, or reaches for what it must not have."""
    async with with_workers(reading(body, RAW)) as zygote:
        found = await problem(zygote, RAW, seconds=2 if "sleep" in body else 20)
    assert found.fatal
    assert expected in found.detail
    assert "what the layer made it say" not in found.detail


async def test_without_a_sandbox_nothing_is_inspected() -> None:
    """The start fails with a sentence for the operator."""
    with pytest.raises(SandboxUnavailableError, match="seccomp"):
        async with with_workers("sandbox._filter_calls = lambda *_: False"):
            pass


async def test_a_worker_that_does_not_say_why_it_stops_is_no_sandbox() -> None:
    """Silence is not consent."""
    with pytest.raises(SandboxUnavailableError, match="do not say why"):
        async with with_workers("worker.keep_descriptors = lambda _: os._exit(3)"):
            pass


async def test_a_zygote_that_does_not_come_up_says_why() -> None:
    """Its last line is part of the error."""
    with pytest.raises(ZygoteLostError, match="RuntimeError: no rules today"):
        async with with_workers("raise RuntimeError('no rules today')"):
            pass


async def test_a_zygote_that_says_nothing_is_given_up() -> None:
    """It is ended, and the error says so."""
    with pytest.raises(ZygoteLostError, match="did not come up"):
        async with with_workers("time.sleep(60)", start_seconds=0.3, stop_seconds=0.3):
            pass


async def test_a_worker_that_says_its_last_word_and_stays_is_ended() -> None:
    """It has closed its output, so that nothing more can come of it."""
    body = f"source.drain()\n{DONE}\nos.close(1)\ntime.sleep(60)"
    async with with_workers(reading(body, RAW), answer_seconds=0.2) as zygote:
        assert "did not end" in (await problem(zygote, RAW)).detail
        process = zygote._process
        assert process is not None
        assert process.returncode is None
