"""The daemon's side of the zygote: starts it, asks it for workers, hears how they ended, and starts another when it dies."""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass
from typing import Self, TypeVar

import msgspec
import structlog

from watcher.inspection.workers.hearing import receive
from watcher.inspection.workers.messages import (
    MECHANISMS,
    PROBE,
    Began,
    Confined,
    Ended,
    ForkRequest,
    Greeting,
    KillRequest,
    Limits,
    Message,
    Refused,
    ZygoteAnswer,
)
from watcher.model.errors import ConfigurationError, RetryableError, WorkerFailedError

log = structlog.get_logger(__name__)
T = TypeVar("T")

# It imports for 100 ms and compiles rules for 200; a busy machine gets fifty times that.
START_SECONDS = 15.0
STOP_SECONDS = 5.0
# A fork takes 2 ms, and so does hearing of a worker's end.
ANSWER_SECONDS = 10.0
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from watcher.inspection.confined.zygote_process import main; main()"
_MAX_ANSWER_BYTES = 4096
_LAST_WORDS_BYTES = 64 * 1024

_ENCODER = msgspec.msgpack.Encoder()
_ANSWERS = msgspec.msgpack.Decoder(ZygoteAnswer)


class ZygoteLostError(RetryableError):
    """The process that workers come from ended, and its workers with it. The next request starts another."""

    reason = "process-died"
    outside = False  # perhaps not by chance


class SandboxUnavailableError(ConfigurationError):
    """Workers cannot be confined on this machine, so nothing is inspected on it."""

    reason = "sandbox-unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker that runs, or ran. Awaiting `ended` raises ZygoteLostError when nobody can say any more."""

    number: int
    pid: int
    ended: asyncio.Future[Ended]


class Zygote:
    """At most one process at a time. Use and close it in one event loop.

    `salt` keys the fingerprints of secrets; it goes over the socket, since the process has no environment. One that does not
    answer within `answer_seconds` is killed, and the next request starts another.
    """

    def __init__(
        self,
        salt: bytes,
        *,
        program: str = PROGRAM,
        start_seconds: float = START_SECONDS,
        stop_seconds: float = STOP_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._salt = salt
        self._program = program
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._answer_seconds = answer_seconds
        self._starting = asyncio.Lock()
        self._channel: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stderr = -1
        self._ready: asyncio.Future[None] | None = None
        self._beginning: dict[int, asyncio.Future[int]] = {}
        self._workers: dict[int, asyncio.Future[Ended]] = {}
        self._last_number = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def start(self) -> tuple[str, ...]:
        """Have it ready, and say which of MECHANISMS hold for its workers here.

        Raises:
            SandboxUnavailableError: less than what is required.
            RetryableError: it does not come up.
        """
        held = await self._probe()
        missing = [mechanism for mechanism in MECHANISMS if mechanism not in held]
        log.info("sandbox.checked", held=held, missing=missing)
        return held

    async def fork(self, limits: Limits, source: int, sink: int) -> Worker:
        """Start one worker that reads the descriptor `source` and writes `sink`. The caller closes its own two.

        Raises:
            RetryableError: no process to fork from could be had.
        """
        loop = asyncio.get_running_loop()
        for attempt in (1, 2):
            channel = await self._running()
            self._last_number += 1
            number = self._last_number
            began, ended = self._beginning[number], self._workers[number] = loop.create_future(), loop.create_future()
            try:
                socket.send_fds(channel, [_ENCODER.encode(ForkRequest(worker=number, limits=limits))], [source, sink])
                async with asyncio.timeout(self._answer_seconds):
                    return Worker(number=number, pid=await began, ended=ended)
            except OSError as error:  # a TimeoutError is one
                self._replace(channel)
                if attempt == 2:
                    raise ZygoteLostError("the process that workers come from does not listen") from error
            except asyncio.CancelledError:
                self._kill(number)
                raise
            finally:
                self._beginning.pop(number, None)
        raise AssertionError  # the loop returns or raises

    def kill(self, worker: Worker) -> None:
        """End a worker at once; `ended` says when it is gone. Nothing happens when it has ended."""
        if not worker.ended.done() and self._channel is not None:
            self._kill(worker.number)
            asyncio.get_running_loop().call_later(self._answer_seconds, self._overdue, worker, self._channel)

    async def ended(self, worker: Worker) -> Ended:
        """How a worker ended that has said its last word, so that it has ended or is about to.

        Raises:
            WorkerFailedError: it did not end by itself.
            ZygoteLostError: nobody can say.
        """
        done, _ = await asyncio.wait({worker.ended}, timeout=self._answer_seconds)
        if done:
            return worker.ended.result()
        self.kill(worker)
        await asyncio.shield(worker.ended)
        raise WorkerFailedError("a worker said its last word and did not end")

    async def aclose(self) -> None:
        """End it and its workers; whoever waits for one of them gets ZygoteLostError."""
        self._closed = True
        if self._channel is not None:
            self._lost(self._channel)
        await self._reap()

    def _kill(self, number: int) -> None:
        if self._channel is not None:
            with contextlib.suppress(OSError):
                self._channel.send(_ENCODER.encode(KillRequest(worker=number)))

    def _overdue(self, worker: Worker, channel: socket.socket) -> None:
        if not worker.ended.done():
            self._replace(channel)

    def _replace(self, channel: socket.socket) -> None:
        """It does not answer: it is stopped, or has lost its mind. Its workers end with it."""
        if channel is self._channel and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._lost(channel)

    async def _running(self) -> socket.socket:
        async with self._starting:
            if self._channel is None:
                if self._closed:
                    raise ZygoteLostError("inspection has been closed")
                await self._reap()
                await self._begin()
            if self._channel is None:
                raise ZygoteLostError("the process that workers come from ended at once")
            return self._channel

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        # Sequenced packets: a request is one message with its descriptors, and the end of either side is seen.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stderr = os.memfd_create("stderr", os.MFD_CLOEXEC)
        try:
            ours.setblocking(False)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                "-X",
                "utf8",
                "-c",
                self._program,
                *(path for path in sys.path if path),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=self._stderr,
                env={},
                cwd="/",
            )
        except OSError as error:
            ours.close()
            raise ZygoteLostError(f"the process that workers come from cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
        self._channel = ours
        self._ready = loop.create_future()
        loop.add_reader(ours, self._heard, ours)
        try:
            ours.send(_ENCODER.encode(Greeting(salt=self._salt)))
            async with asyncio.timeout(self._start_seconds):
                await self._ready
        except (OSError, TimeoutError, ZygoteLostError) as error:
            self._lost(ours)
            raise ZygoteLostError(f"the process that workers come from did not come up: {await self._last_words()}") from error

    def _heard(self, channel: socket.socket) -> None:
        """What the process says: that it is ready, and how workers ended."""
        while True:
            try:
                content = channel.recv(_MAX_ANSWER_BYTES)
            except BlockingIOError:
                return
            except OSError:
                content = b""
            if not content:
                self._lost(channel)
                return
            answer = _ANSWERS.decode(content)
            if isinstance(answer, Ended):
                _settle(self._workers.pop(answer.worker, None), answer)
            elif isinstance(answer, Began):
                _settle(self._beginning.get(answer.worker), answer.pid)
            else:
                _settle(self._ready, None)

    def _lost(self, channel: socket.socket) -> None:
        if channel is not self._channel:
            return
        self._channel = None
        asyncio.get_running_loop().remove_reader(channel)
        channel.close()
        lost = ZygoteLostError("the process that workers come from ended")
        waiting = [self._ready, *self._beginning.values(), *self._workers.values()]
        self._beginning.clear()
        self._workers.clear()
        for future in waiting:
            if future is not None and not future.done():
                future.set_exception(lost)
                future.exception()  # whoever waits gets it; nobody may be waiting
        if not self._closed:
            log.warning("zygote.lost")

    async def _reap(self) -> None:
        """Wait for a process that was told to end by the end of its socket."""
        process, self._process = self._process, None
        if process is not None:
            try:
                async with asyncio.timeout(self._stop_seconds):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    async def _last_words(self) -> str:
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._stop_seconds):
                    await self._process.wait()
        lines = os.pread(self._stderr, _LAST_WORDS_BYTES, 0).decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    async def _probe(self) -> tuple[str, ...]:
        """Fork a worker that only confines itself."""
        heard: list[Message] = []
        empty, input_end = os.pipe()
        os.close(input_end)
        output, sink = os.pipe()
        try:
            worker = await self.fork(PROBE, empty, sink)
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(empty)
            os.close(sink)
        try:
            async with asyncio.timeout(self._start_seconds):
                await receive(output, heard.append)
                await worker.ended
        except TimeoutError as error:
            raise ZygoteLostError(f"a worker did not confine itself within {self._start_seconds:.0f} s") from error
        for message in heard:
            if isinstance(message, Confined):
                return message.held
            if isinstance(message, Refused):
                raise SandboxUnavailableError(f"inspection: workers cannot be confined here: {message.why}")
        raise SandboxUnavailableError("inspection: workers cannot be confined here, and do not say why")


def _settle(future: asyncio.Future[T] | None, result: T) -> None:
    if future is not None and not future.done():
        future.set_result(result)
