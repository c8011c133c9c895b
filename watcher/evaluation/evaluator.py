"""The Evaluator of the daemon: judges in child processes, since the CEL library leaks and holds the GIL."""

from types import TracebackType
from typing import Self

import msgspec

from watcher.evaluation.child import greeting_of
from watcher.evaluation.policies.loading import PolicySources
from watcher.evaluation.protocol import Case, Judgement
from watcher.kit.processes import ChildProgram, ChildRefusedError, ProcessPool
from watcher.model.errors import PolicyError
from watcher.model.verdict import PolicyName


class ProcessEvaluator:
    """One revision of all policies behind `workers` processes. Use it as an asynchronous context manager, or close it."""

    def __init__(self, sources: PolicySources, *, workers: int = 1, timeout_seconds: float = 60.0) -> None:
        self._sources = sources
        program = ChildProgram(module="watcher.evaluation.child", greeting=greeting_of(sources), call_seconds=timeout_seconds)
        self._pool = ProcessPool(program, size=workers)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Judgement)

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
            answer = await self._pool.call(self._encoder.encode(case))
        except ChildRefusedError as error:
            raise PolicyError(str(error)) from error
        return self._decoder.decode(answer)

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
