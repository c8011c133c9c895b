"""A case on its way to the process that evaluates it."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.unit.evaluation.conftest import Cases
from watcher.evaluation import evaluator as room
from watcher.evaluation.evaluator import ProcessEvaluator
from watcher.evaluation.policies.loading import load_policies
from watcher.evaluation.questions import decoded, encoded
from watcher.model.inventory import FileTable, Package, PackageRecord
from watcher.model.slices import ROWS
from watcher.model.verdict import Outcome

MANY = 5 * ROWS + 3
# A row of the table below takes about thirty bytes.
LONGEST_PIECE_BYTES = ROWS * 200


def files(count: int) -> FileTable:
    names = [f"app/node_modules/lib/{number}.js" for number in range(count)]
    zeros = [0] * count
    return FileTable(
        path=names, kind=["f"] * count, mode=[0o644] * count, uid=zeros, gid=zeros, size=zeros, link=[""] * count, layer=zeros
    )


def package(number: int) -> Package:
    record = PackageRecord(type="deb", name=f"p{number}", version="1", purl=f"pkg:deb/debian/p{number}@1")
    return Package(record=record, path="var/lib/dpkg/status", layer=0)


@pytest.mark.parametrize("count", [0, 1, ROWS, MANY])
def test_a_case_arrives_as_it_was_sent(make_case: Cases, count: int) -> None:
    """However many files and packages it has, and without an inventory."""
    case = make_case(files=files(count), packages=tuple(package(number) for number in range(count)))
    assert decoded(b"".join(encoded(case))) == case
    bare = make_case(inspected=False)
    assert decoded(b"".join(encoded(bare))) == bare


def test_no_piece_grows_with_the_image(make_case: Cases) -> None:
    """So that the loop has its turn between two of them."""
    case = make_case(files=files(MANY), packages=tuple(package(number) for number in range(MANY)))
    pieces = encoded(case)
    assert len(pieces) > 2 * MANY // ROWS
    assert max(map(len, pieces)) < LONGEST_PIECE_BYTES


def test_what_is_no_case_is_an_error() -> None:
    """Never half of one."""
    with pytest.raises(msgspec.MsgspecError):
        decoded(b"".join(encoded_of({"subject": 1})))


def encoded_of(value: Any) -> list[bytes]:
    content = msgspec.msgpack.encode(value)
    return [len(content).to_bytes(8, "big"), content]


async def test_a_case_is_encoded_beside_the_loop_which_goes_on_while_it_is_sent(
    make_case: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another thread, and piece by piece into the pipe."""
    threads: list[int] = []

    def noted(case: Any) -> Any:
        threads.append(threading.get_ident())
        return encoded(case)

    # Where a function runs cannot be seen from outside.
    monkeypatch.setattr(room, "encoded", noted)
    turns = 0

    async def turning() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with ProcessEvaluator(load_policies()) as evaluator:
        case = make_case(files=files(MANY))
        loop = asyncio.create_task(turning())
        assert (await evaluator.evaluate(replace(case, tag=None))).outcome is Outcome.PASS
        loop.cancel()
    assert threads
    assert threading.get_ident() not in threads
    assert turns > MANY // ROWS
