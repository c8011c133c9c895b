"""What is true of whoever judges a case: in another process, for the present revision, or as a test wrote it down."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.doubles.evaluators import WrittenEvaluator
from tests.doubles.inventories import an_inventory
from tests.doubles.verdicts import MOMENT, SUBJECT
from watcher.evaluation.current import CurrentEvaluator
from watcher.evaluation.evaluator import ProcessEvaluator
from watcher.evaluation.policies.loading import load_policies
from watcher.evaluation.protocol import Case, Evaluator
from watcher.model.digest import is_digest
from watcher.model.errors import RetryableError

CASE = Case(subject=SUBJECT, now=MOMENT, tag=SUBJECT.tags[0], inventory=an_inventory())


@dataclass(kw_only=True)
class Judge:
    """`kill` ends the process that the next case would be judged in, and `revive` lets another one be had."""

    evaluator: Evaluator
    kill: Callable[[], None]
    revive: Callable[[], None] = lambda: None


@asynccontextmanager
async def _process() -> AsyncIterator[Judge]:
    async with ProcessEvaluator(load_policies()) as evaluator:

        def kill() -> None:
            (child,) = evaluator._pool._alive
            os.kill(child.process.pid, 9)

        yield Judge(evaluator=evaluator, kill=kill)


@asynccontextmanager
async def _current() -> AsyncIterator[Judge]:
    async with _process() as present:
        assert isinstance(present.evaluator, ProcessEvaluator)
        yield Judge(evaluator=CurrentEvaluator(present.evaluator), kill=present.kill)


@asynccontextmanager
async def _written() -> AsyncIterator[Judge]:
    evaluator = WrittenEvaluator()

    def die(dead: bool) -> None:
        evaluator.dead = dead

    yield Judge(evaluator=evaluator, kill=lambda: die(dead=True), revive=lambda: die(dead=False))


EVALUATORS: Mapping[type, Callable[[], AbstractAsyncContextManager[Judge]]] = {
    ProcessEvaluator: _process,
    CurrentEvaluator: _current,
    WrittenEvaluator: _written,
}


@pytest.fixture(params=EVALUATORS)
async def judge(request: pytest.FixtureRequest) -> AsyncIterator[Judge]:
    async with EVALUATORS[request.param]() as opened:
        assert type(opened.evaluator) is request.param
        yield opened


async def test_a_judgement_names_the_revision_it_was_made_by(judge: Judge) -> None:
    """The digest of all that was written, so that a verdict can be replayed."""
    assert is_digest(judge.evaluator.revision)
    assert (await judge.evaluator.evaluate(CASE)).policy_revision == judge.evaluator.revision


async def test_the_same_case_has_the_same_answer(judge: Judge) -> None:
    """However many are asked at once."""
    first = await judge.evaluator.evaluate(CASE)
    assert list(await asyncio.gather(*(judge.evaluator.evaluate(CASE) for _ in range(5)))) == [first] * 5


async def test_what_was_not_looked_at_stays_said(judge: Judge) -> None:
    """A judgement has every section of its inventory, as it is there."""
    assert CASE.inventory is not None
    assert (await judge.evaluator.evaluate(CASE)).sections.items() >= CASE.inventory.sections.items()
    assert (await judge.evaluator.evaluate(Case(subject=SUBJECT, now=MOMENT))).policy_revision == judge.evaluator.revision


async def test_a_process_that_died_is_no_verdict(judge: Judge) -> None:
    """The case is to be tried again, and then it is judged."""
    first = await judge.evaluator.evaluate(CASE)
    judge.kill()
    with pytest.raises(RetryableError):
        await judge.evaluator.evaluate(CASE)
    judge.revive()
    assert await judge.evaluator.evaluate(CASE) == first
