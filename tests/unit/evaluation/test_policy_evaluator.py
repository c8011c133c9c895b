"""The evaluator of the daemon: the same answers from another process."""

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.unit.evaluation.conftest import Cases
from watcher.evaluation.child import answered
from watcher.evaluation.evaluator import MOST_KILLS, ProcessEvaluator
from watcher.evaluation.policies.loading import load_policies
from watcher.evaluation.protocol import Case, EvaluationFailedError, Evaluator, Judgement
from watcher.evaluation.questions import encoded
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.model.digest import Digest
from watcher.model.errors import PolicyError, RetryableError
from watcher.model.inventory import Distro, FileTable
from watcher.model.verdict import Outcome, Section, SectionState


@pytest.fixture
async def evaluator() -> AsyncIterator[ProcessEvaluator]:
    async with ProcessEvaluator(load_policies()) as running:
        yield running


async def test_a_process_gives_the_same_judgement(evaluator: ProcessEvaluator, make_case: Cases) -> None:
    """Byte for byte what the policies say here, for an image that fails, warns and is undecided."""
    sources = load_policies()
    here = PolicySet.compile(sources.documents.policies, revision=sources.revision)
    files = FileTable(path=["opt/x"], kind=["f"], mode=[0o4755], uid=[0], gid=[0], size=[1], link=[""], layer=[1])
    cases = [
        make_case(),
        make_case(files=files, environment="production", registry="docker.io", tags=("latest",)),
        make_case(sections={"secrets": Section(state=SectionState.PARTIAL, reason="layer 2", skipped=("a", "b"))}),
        make_case(inspected=False),
    ]
    there = [await evaluator.evaluate(case) for case in cases]
    assert there == [here.evaluate(case) for case in cases]
    assert [judgement.outcome for judgement in there] == [Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.UNKNOWN]
    as_protocol: Evaluator = evaluator
    assert as_protocol.revision == sources.revision == there[0].policy_revision
    assert evaluator.policies == there[0].policies


async def test_a_wrong_expression_is_told_at_start(tmp_path: Path, make_case: Cases) -> None:
    """With its place, as `policy check` tells it."""
    policy = tmp_path / "own.yaml"
    policy.write_text("apiVersion: watcher/v1\nkind: Policy\nmetadata: {name: own}\nrules: [{id: r, when: event.tga == ''}]\n")
    evaluator = ProcessEvaluator(load_policies([], [policy]))
    with pytest.raises(PolicyError, match=r"own\.yaml:4:28: undefined field 'tga'"):
        await evaluator.start()
    with pytest.raises(PolicyError):
        await evaluator.evaluate(make_case())
    await evaluator.aclose()
    with pytest.raises(PolicyError):
        async with ProcessEvaluator(load_policies([], [policy])):
            pass


async def test_a_killed_process_is_retryable(evaluator: ProcessEvaluator, make_case: Cases) -> None:
    """The case in hand is to be tried again; the next is judged by a new process."""
    (child,) = evaluator._pool._alive
    os.kill(child.process.pid, 9)
    with pytest.raises(RetryableError):
        await evaluator.evaluate(make_case())
    assert (await evaluator.evaluate(make_case())).outcome is Outcome.PASS


async def test_an_image_that_processes_die_of_is_told_so(evaluator: ProcessEvaluator, make_case: Cases) -> None:
    """Killed again and again over one image, as by a machine whose memory it takes; but not because others died in between."""
    other = make_case(digest=Digest("sha256:" + "9" * 64))
    for _ in range(MOST_KILLS - 1):
        await killed(evaluator, make_case(), RetryableError)
    await killed(evaluator, other, RetryableError)
    await killed(evaluator, make_case(), EvaluationFailedError)


async def test_an_image_that_a_process_survives_starts_anew(evaluator: ProcessEvaluator, make_case: Cases) -> None:
    """What somebody else kills now and then says nothing of the image."""
    for _ in range(2 * MOST_KILLS):
        await killed(evaluator, make_case(), RetryableError)
        assert (await evaluator.evaluate(make_case())).outcome is Outcome.PASS


@pytest.mark.parametrize("distro", [Distro(), Distro(id="debian", version="12")], ids=["no file to open", "a table to open"])
async def test_a_process_without_memory_says_nothing_of_any_image(
    evaluator: ProcessEvaluator, make_case: Cases, distro: Distro
) -> None:
    """It ends, and another is asked; no rule is called undecided for want of it."""
    (child,) = evaluator._pool._alive
    resource.prlimit(child.process.pid, resource.RLIMIT_AS, (2**20, 2**20))  # less than it has
    # As an error that Python tells of, or as the end that a library makes of it.
    with pytest.raises(RetryableError, match=r"MemoryError|SIGABRT|SIGSEGV"):
        await evaluator.evaluate(make_case(distro=distro))
    assert (await evaluator.evaluate(make_case())).outcome is Outcome.PASS


@pytest.mark.parametrize(("raised", "error"), [(errno.ENOMEM, MemoryError), (errno.EMFILE, MemoryError), (errno.ENOENT, None)])
def test_a_shortage_seen_by_a_rule_is_no_mistake(make_case: Cases, raised: int, error: type[Exception] | None) -> None:
    """A file that could not be opened for want of memory says as little of the image as memory itself."""

    def evaluate(case: Case) -> Judgement:
        raise OSError(raised, os.strerror(raised))

    question = b"".join(encoded(make_case()))
    with pytest.raises(error) if error else nullcontext():
        assert answered(evaluate, question).error == "FileNotFoundError"


async def killed(evaluator: ProcessEvaluator, case: Case, error: type[Exception]) -> None:
    """The process is killed while it has the case."""
    await evaluator.start()
    (child,) = evaluator._pool._alive
    os.kill(child.process.pid, signal.SIGSTOP)
    asking = asyncio.create_task(evaluator.evaluate(case))
    while not child.calls:
        await asyncio.sleep(0.01)
    os.kill(child.process.pid, signal.SIGKILL)
    with pytest.raises(error):
        await asking


async def test_a_case_that_cannot_be_read_is_told_at_once(evaluator: ProcessEvaluator, make_case: Cases) -> None:
    """The same case would fail again; the process that failed at it judges the next."""
    (child,) = evaluator._pool._alive
    broken = replace(make_case(), tag=5)  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as logged, pytest.raises(EvaluationFailedError, match="mistake of the watcher's own"):
        await evaluator.evaluate(broken)
    assert [each["event"] for each in logged] == ["evaluation.failed"]
    assert (await evaluator.evaluate(make_case())).outcome is Outcome.PASS
    assert list(evaluator._pool._alive) == [child]


async def test_a_small_case_waits_for_no_large_one(make_case: Cases) -> None:
    """Which are judged one after the other, while small ones are judged beside them."""
    count = 1000
    names, numbers = [f"f{number}" for number in range(count)], [0] * count
    files = FileTable(
        path=names, kind=["f"] * count, mode=numbers, uid=numbers, gid=numbers, size=numbers, link=[""] * count, layer=numbers
    )
    async with ProcessEvaluator(load_policies(), workers=2, large_bytes=10_000) as evaluator, asyncio.TaskGroup() as group:
        (child,) = evaluator._pool._alive
        os.kill(child.process.pid, signal.SIGSTOP)
        large = [group.create_task(evaluator.evaluate(make_case(files=files)), name=f"large-{number}") for number in range(2)]
        while not child.calls:
            await asyncio.sleep(0.01)
        for _ in range(3):
            assert (await evaluator.evaluate(make_case())).outcome is Outcome.PASS
        assert not any(task.done() for task in large)
        os.kill(child.process.pid, signal.SIGCONT)
    assert {task.result().outcome for task in large} == {Outcome.PASS}


async def test_many_cases_at_once_are_all_judged(evaluator: ProcessEvaluator, make_case: Cases) -> None:
    """They take turns."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(evaluator.evaluate(make_case()), name=f"evaluate-{number}") for number in range(10)]
    assert {task.result().outcome for task in tasks} == {Outcome.PASS}


def test_the_parent_does_not_load_the_cel_library() -> None:
    """It would cost the daemon memory for nothing."""
    program = (
        "import sys, watcher.evaluation.evaluator, watcher.evaluation.policies.loading as s; s.load_policies();"
        "print([name for name in sys.modules if name.startswith(('cel_expr_python', 'google.protobuf'))])"
    )
    done: Any = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
