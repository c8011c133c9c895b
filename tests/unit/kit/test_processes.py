"""Recycled child processes: one question, one answer, and nothing that a child does stops its parent."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from watcher.kit.processes import (
    ChildDiedError,
    ChildProgram,
    ChildRefusedError,
    ChildTimedOutError,
    FrameTooLargeError,
    ProcessPool,
)


@asynccontextmanager
async def pool_of(*, size: int = 1, greeting: bytes = b"hi", **settings: Any) -> AsyncIterator[ProcessPool]:
    pool = ProcessPool(ChildProgram(module="tests.unit.kit.echo_child", greeting=greeting, **settings), size=size)
    try:
        yield pool
    finally:
        await pool.aclose()


def alive(pid: bytes) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return "\nState:\tZ" not in Path(f"/proc/{int(pid)}/status").read_text(encoding="ascii")
    return False


async def test_one_child_answers_many_questions() -> None:
    """The same child answers in turn, large frames included."""
    async with pool_of() as pool:
        first, second = await pool.call(b"pid"), await pool.call(b"pid")
        assert first == second
        question = b"q " + b"x" * 3_000_000
        assert await pool.call(question) == b"hi:" + question


async def test_a_child_is_replaced_after_its_calls() -> None:
    """After `max_calls` questions the next goes to a new child, and the old one is gone."""
    async with pool_of(max_calls=2) as pool:
        pids = [await pool.call(b"pid") for _ in range(3)]
        assert pids[0] == pids[1] != pids[2]
        assert not alive(pids[0])


async def test_a_child_that_grew_is_replaced() -> None:
    """A child that holds more than it may is not asked again."""
    async with pool_of(max_growth_bytes=8 * 1024 * 1024) as pool:
        before = await pool.call(b"pid")
        await pool.call(b"grow 16000000")
        assert await pool.call(b"pid") != before
        assert not alive(before)


async def test_a_death_is_retryable_and_says_how() -> None:
    """A child that exits raises ChildDiedError with its last words; the next call is answered."""
    async with pool_of() as pool:
        with pytest.raises(ChildDiedError, match="exit code 3: last words"):
            await pool.call(b"exit 3")
        with pytest.raises(ChildDiedError, match="ValueError: what went wrong"):
            await pool.call(b"raise what went wrong")
        assert await pool.call(b"again") == b"hi:again"


async def test_a_stopped_child_is_ended() -> None:
    """Nobody may ever let it go on: it counts as killed, and the next call is answered."""
    async with pool_of(look_seconds=0.02) as pool:
        pid = int(await pool.call(b"pid"))
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ChildDiedError) as caught:
            await pool.call(b"are you there")
        assert (caught.value.killed, caught.value.answering) == (True, True)
        assert await pool.call(b"again") == b"hi:again"


async def test_a_call_that_is_given_up_leaves_no_child() -> None:
    """Whoever waited is gone; the child may still owe an answer, so it is ended."""
    async with pool_of() as pool:
        pid = await pool.call(b"pid")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.call(b"hang")
        assert not alive(pid)
        assert await pool.call(b"again") == b"hi:again"


async def test_a_killed_child_is_replaced() -> None:
    """A child killed between two calls fails one call and no more."""
    async with pool_of() as pool:
        os.kill(int(await pool.call(b"pid")), 9)
        with pytest.raises(ChildDiedError, match="SIGKILL"):
            await pool.call(b"are you there")
        assert await pool.call(b"again") == b"hi:again"


async def test_a_hanging_child_is_killed() -> None:
    """A call that takes too long raises ChildTimedOutError, and its child is dead."""
    async with pool_of() as pool:
        pid = await pool.call(b"pid")
        pool._program = ChildProgram(module="tests.unit.kit.echo_child", greeting=b"hi", call_seconds=0.05)
        with pytest.raises(ChildTimedOutError, match=r"0\.05 s"):
            await pool.call(b"hang")
        assert not alive(pid)


async def test_a_cancelled_call_leaves_no_late_answer() -> None:
    """The child of a cancelled call is ended: its answer can never reach the next question."""
    async with pool_of() as pool:
        pid = await pool.call(b"pid")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.call(b"hang")
        assert not alive(pid)
        assert await pool.call(b"next") == b"hi:next"


async def test_a_refusal_is_told_as_such() -> None:
    """A child that cannot begin says why, and saying so is a configuration error."""
    async with pool_of(greeting=b"refuse") as pool:
        with pytest.raises(ChildRefusedError, match="this greeting will not do"):
            await pool.start()


async def test_a_child_that_dies_at_start_is_retryable() -> None:
    """A child that ends before it is ready raises ChildDiedError."""
    async with pool_of(greeting=b"die") as pool:
        with pytest.raises(ChildDiedError, match="dead before it began"):
            await pool.start()


async def test_a_module_that_does_not_exist_is_told() -> None:
    """What Python says about it is in the error."""
    pool = ProcessPool(ChildProgram(module="watcher.no_such_module", greeting=b""))
    with pytest.raises(ChildDiedError, match="No module named"):
        await pool.call(b"hello")
    await pool.aclose()


async def test_printing_disturbs_nothing() -> None:
    """What a child prints never mixes with its answers, and too much of it does not block the child."""
    async with pool_of() as pool:
        assert await pool.call(b"print 1000") == b"hi:print 1000"
        with pytest.raises(ChildDiedError):
            await pool.call(b"print 10000000")
        assert await pool.call(b"again") == b"hi:again"


async def test_a_child_gets_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret in the parent's environment reaches a child."""
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    async with pool_of() as pool:
        names = (await pool.call(b"environment")).decode().split(",")
    assert set(names) <= {"PYTHONPATH", "PYTHONUTF8", "LC_CTYPE"}


async def test_frames_have_a_limit() -> None:
    """A question or an answer above the limit is refused for good."""
    async with pool_of(max_frame_bytes=10) as pool:
        with pytest.raises(FrameTooLargeError, match="question of 11 bytes"):
            await pool.call(b"x" * 11)
        with pytest.raises(FrameTooLargeError, match="answer of 13 bytes"):
            await pool.call(b"x" * 10)


async def test_calls_share_the_children() -> None:
    """More calls than children wait for their turn; as many children run as are allowed."""
    async with pool_of(size=2) as pool:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pool.call(b"pid"), name=f"ask-{number}") for number in range(8)]
        assert 1 <= len({task.result() for task in tasks}) <= 2


async def test_a_closed_pool_starts_nothing() -> None:
    """After closing no child is left, and a call is refused as retryable."""
    async with pool_of() as pool:
        pid = await pool.call(b"pid")
    assert not alive(pid)
    with pytest.raises(ChildDiedError, match="closed"):
        await pool.call(b"hello")


async def test_closing_ends_a_call_under_way() -> None:
    """A call that waits for its answer when the pool closes raises ChildDiedError."""
    async with pool_of() as pool:
        await pool.start()
        async with asyncio.TaskGroup() as group:
            # Tasks begin in this order: the call has its child before the pool closes.
            call = group.create_task(_dies(pool), name="hang")
            group.create_task(pool.aclose(), name="close")
        assert call.result()


async def _dies(pool: ProcessPool) -> bool:
    with pytest.raises(ChildDiedError):
        await pool.call(b"hang")
    return True
