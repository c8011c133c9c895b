"""Child processes that answer one question at a time, renewed before what they leak matters.

This is the parent's side; the child's is `serving`, which also says what they speak.
"""

import asyncio
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from watcher.kit.deaths import LOOK_SECONDS, is_killed, wait_unless_stopped
from watcher.kit.serving import ANSWER, HEADER_BYTES, REFUSED, header, parsed
from watcher.model.errors import ConfigurationError, PermanentError, RetryableError

# A frame is held in memory on both sides; the facts of an image of three million files are about 300 MiB.
MAX_FRAME_BYTES = 1 << 30
# Enough for the last lines of a traceback; a child that writes more gets an error for it.
_STDERR_BYTES = 256 * 1024
_SHOWN_BYTES = 500
_REAP_SECONDS = 5.0
_IMPORT_ROOT = str(Path(__file__).resolve().parents[2])


class ChildDiedError(RetryableError):
    """A child process ended before it answered. The next call starts another.

    `answering`: it had been asked something, which may be why. `killed`: by somebody else.
    """

    reason = "process-died"
    outside = False  # what it was asked may have been the death of it

    def __init__(self, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed
        self.answering = False


class ChildTimedOutError(RetryableError):
    """A child process took too long and was killed. The next call starts another."""

    reason = "process-timed-out"
    outside = False


class ChildRefusedError(ConfigurationError):
    """A child process cannot work with what it was given to begin with; the text is its own."""

    reason = "process-refused"


class FrameTooLargeError(PermanentError):
    """More than `max_frame_bytes` for one question or answer."""

    reason = "too-large"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildProgram:
    """What to run and for how long.

    `module` calls `serve` when run with `-m`; `greeting` is its first frame. A child is replaced after `max_calls` calls, or once
    it holds `max_growth_bytes` more than when it was ready, or is stopped when it is looked at twice. Times are in seconds.
    """

    module: str
    greeting: bytes
    call_seconds: float = 60.0
    start_seconds: float = 30.0
    look_seconds: float = LOOK_SECONDS
    max_calls: int = 500
    max_growth_bytes: int = 128 * 1024 * 1024
    max_frame_bytes: int = MAX_FRAME_BYTES


class ProcessPool:
    """At most `size` children, started when first needed. Close it in the event loop that used it."""

    def __init__(self, program: ChildProgram, *, size: int = 1) -> None:
        self._program = program
        self._idle: asyncio.LifoQueue[_Child | None] = asyncio.LifoQueue()
        self._alive: set[_Child] = set()
        self._closed = False
        for _ in range(size):
            self._idle.put_nowait(None)

    async def start(self) -> None:
        """Have one child ready, so that a refusal is known now. Raises as `call` does."""
        child = await self._free()
        try:
            child = child or await self._begin()
        finally:
            self._idle.put_nowait(child)

    async def call(self, *question: bytes) -> bytes:
        """Ask one child, waiting for a free one. A long question comes in pieces, which the child gets as one.

        Raises:
            ChildDiedError, ChildTimedOutError: ask again; that child is gone.
            ChildRefusedError: no child can begin with this greeting.
            FrameTooLargeError: the question or its answer.
        """
        size = sum(map(len, question))
        if size > self._program.max_frame_bytes:
            raise FrameTooLargeError(f"a question of {size} bytes: at most {self._program.max_frame_bytes} are sent")
        child = await self._free()
        kept: _Child | None = None
        try:
            child = child or await self._begin()
            answer = await child.ask(question, self._program)
            if not self._closed and not child.worn(self._program):
                kept = child
            return answer
        finally:
            # Whatever went wrong, cancellation included: a child that may still owe an answer is never asked again.
            self._idle.put_nowait(kept)
            if child is not None and kept is None:
                await self._end(child)

    async def aclose(self) -> None:
        """End all children. Calls under way raise ChildDiedError."""
        self._closed = True
        for child in tuple(self._alive):
            await self._end(child)

    async def _free(self) -> "_Child | None":
        """A place to ask: an idle child, or None where one must be started."""
        child = await self._idle.get()
        return None if child is None or child.ended else child

    async def _begin(self) -> "_Child":
        if self._closed:
            raise ChildDiedError("the pool is closed")
        child = await _Child.spawn(self._program)
        self._alive.add(child)
        try:
            await child.greet(self._program)
        except BaseException:
            await self._end(child)
            raise
        return child

    async def _end(self, child: "_Child") -> None:
        self._alive.discard(child)
        await child.end()


@dataclass(eq=False, slots=True, kw_only=True)
class _Child:
    process: asyncio.subprocess.Process
    stderr: int
    max_frame_bytes: int
    calls: int = 0
    ready_bytes: int = 0
    ended: bool = field(default=False)
    limit: ClassVar[int] = 2**20

    @classmethod
    async def spawn(cls, program: ChildProgram) -> "_Child":
        # A file in memory rather than a pipe: nobody has to read it, so a talkative child cannot block on it. Sealed at its size.
        stderr = os.memfd_create("stderr", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.truncate(stderr, _STDERR_BYTES)
            fcntl.fcntl(stderr, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                program.module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                # Nothing of ours: no secret that the parent was given in its environment reaches a child.
                env={"PYTHONPATH": _IMPORT_ROOT, "PYTHONUTF8": "1"},
                limit=cls.limit,
            )
        except OSError as error:
            os.close(stderr)
            raise ChildDiedError(f"{program.module} cannot be started: {error.strerror}") from error
        return cls(process=process, stderr=stderr, max_frame_bytes=program.max_frame_bytes)

    async def greet(self, program: ChildProgram) -> None:
        kind, content = await self._exchange([program.greeting], program.start_seconds)
        if kind == REFUSED:
            raise ChildRefusedError(content.decode(errors="replace"))
        self.ready_bytes = self.resident_bytes()

    async def ask(self, question: Sequence[bytes], program: ChildProgram) -> bytes:
        self.calls += 1
        exchange = asyncio.ensure_future(self._exchange(question, program.call_seconds))
        try:
            await wait_unless_stopped([exchange], pid=self.process.pid, end=self._kill, look_seconds=program.look_seconds)
            _, content = exchange.result()
        except asyncio.CancelledError:
            exchange.cancel()
            raise
        except ChildDiedError as error:
            error.answering = not self.ended
            raise
        return content

    def worn(self, program: ChildProgram) -> bool:
        return self.calls >= program.max_calls or self.resident_bytes() - self.ready_bytes >= program.max_growth_bytes

    def resident_bytes(self) -> int:
        """What it holds in memory, 0 when it is gone."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError, ValueError):
            return 0
        return pages * resource.getpagesize()

    async def end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._kill()
        os.close(self.stderr)
        if self.process.stdin is not None:
            self.process.stdin.close()
        # Shielded: a cancelled call must not leave a zombie behind.
        with suppress(TimeoutError):
            await asyncio.shield(asyncio.wait_for(self.process.wait(), _REAP_SECONDS))

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()

    async def _exchange(self, content: Sequence[bytes], timeout_seconds: float) -> tuple[bytes, bytes]:
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise ChildDiedError("a child without pipes")
        try:
            async with asyncio.timeout(timeout_seconds):
                stdin.write(header(ANSWER, sum(map(len, content))))
                for piece in content:
                    stdin.write(piece)
                    await stdin.drain()
                kind, length = parsed(await stdout.readexactly(HEADER_BYTES))
                if length > self.max_frame_bytes:
                    raise FrameTooLargeError(f"an answer of {length} bytes: at most {self.max_frame_bytes} are read")
                return kind, await stdout.readexactly(length)
        except TimeoutError as error:
            raise ChildTimedOutError(f"a child process did not answer within {timeout_seconds:g} s") from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            words = await self._last_words()
            raise ChildDiedError(f"a child process died: {words}", killed=is_killed(self.process.returncode or 0)) from error

    async def _last_words(self) -> str:
        """How it ended and the last line it wrote."""
        if self.ended:
            return "it was ended"
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _REAP_SECONDS)
        code = self.process.returncode
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        # The file position is shared with the child: it is where its last words end.
        size = os.lseek(self.stderr, 0, os.SEEK_CUR)
        lines = (
            os.pread(self.stderr, min(size, _SHOWN_BYTES), max(0, size - _SHOWN_BYTES))
            .decode(errors="replace")
            .strip()
            .splitlines()
        )
        return f"{how}: {lines[-1]}" if lines else how
