"""The Evaluator of the daemon: judges in child processes, since the CEL library leaks and holds the GIL."""

import asyncio
from contextlib import nullcontext
from types import TracebackType
from typing import Self

import msgspec
import structlog

from watcher.evaluation.child import Answered, greeting_of
from watcher.evaluation.policies.loading import PolicySources
from watcher.evaluation.protocol import Case, EvaluationFailedError, Judgement
from watcher.evaluation.questions import encoded
from watcher.kit.deaths import Deaths
from watcher.kit.processes import ChildDiedError, ChildProgram, ChildRefusedError, ChildTimedOutError, ProcessPool
from watcher.model.errors import PolicyError
from watcher.model.first_use import known
from watcher.model.verdict import PolicyName

log = structlog.get_logger(__name__)

# Processes that end over one image, or do not come to an end, until that is said of the image: it may have been chance once.
MOST_DEATHS = 2
# Those that somebody else killed, which is chance more often; but the kernel does it when an image takes all memory.
MOST_KILLS = 5
# An image of 100 000 files.
LARGE_BYTES = 8 * 1024 * 1024


class ProcessEvaluator:
    """One revision of all policies behind `workers` processes. Use it as an asynchronous context manager, or close it.

    Cases of more than `large_bytes` are judged one at a time: together they would take the memory of the machine, and with several
    processes no small one waits for them.
    """

    def __init__(
        self, sources: PolicySources, *, workers: int = 1, timeout_seconds: float = 60.0, large_bytes: int = LARGE_BYTES
    ) -> None:
        self._large_bytes = large_bytes
        self._large = asyncio.Lock()
        self._sources = sources
        program = ChildProgram(module="watcher.evaluation.child", greeting=greeting_of(sources), call_seconds=timeout_seconds)
        self._pool = ProcessPool(program, size=workers)
        self._decoder = msgspec.msgpack.Decoder(known(Answered))
        self._deaths = Deaths()

    @property
    def revision(self) -> str:
        return self._sources.revision

    @property
    def policies(self) -> tuple[PolicyName, ...]:
        return self._sources.policies

    async def start(self) -> None:
        """Have one process ready.

        Raises:
            PolicyError: an expression is wrong; one `file:line:column: what` a line.
            RetryableError: the process did not come up.
        """
        try:
            await self._pool.start()
        except ChildRefusedError as error:
            raise PolicyError(str(error)) from error

    async def evaluate(self, case: Case) -> Judgement:
        """Judge one case. Raises as `Evaluator.evaluate` does, and PolicyError as `start` does when it was not called."""
        try:
            question = await asyncio.to_thread(encoded, case)
            async with self._large if sum(map(len, question)) > self._large_bytes else nullcontext():
                answer = await self._pool.call(*question)
        except ChildRefusedError as error:
            raise PolicyError(str(error)) from error
        except (ChildDiedError, ChildTimedOutError) as error:
            self._count(case, error)
            raise
        self._deaths.survived(case.subject.digest)
        answered = self._decoder.decode(answer)
        if answered.judgement is None:
            log.error("evaluation.failed", image=case.subject.name, error=answered.error, exception=answered.trace)
            raise EvaluationFailedError(f"the policies could not be evaluated, by a mistake of the watcher's own: {answered.error}")
        return answered.judgement

    def _count(self, case: Case, error: ChildDiedError | ChildTimedOutError) -> None:
        """Raises EvaluationFailedError when it is the image, not chance, that processes die of."""
        if isinstance(error, ChildDiedError) and not error.answering:
            return
        most = MOST_KILLS if isinstance(error, ChildDiedError) and error.killed else MOST_DEATHS
        count = self._deaths.count(case.subject.digest)
        if count >= most:
            raise EvaluationFailedError(f"the policies could not be evaluated in {count} attempts: {error}") from error

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
