"""What the daemon takes from a worker: what a truthful one says, and none of what a lying one could."""

import os
from collections.abc import Callable

import pytest

from watcher.inspection.workers.collector import Collector, failed_facts
from watcher.inspection.workers.hearing import receive
from watcher.inspection.workers.messages import (
    MAX_MESSAGE_BYTES,
    Alias,
    Confined,
    Database,
    Done,
    Limits,
    Message,
    Problems,
    Refused,
    Removals,
    Rows,
    Secrets,
    Text,
    send,
)
from watcher.model.digest import digest_of
from watcher.model.errors import WorkerFailedError
from watcher.model.inventory import PackageRecord, Problem, SecretHit

LIMITS = Limits(plain_bytes=1000, files=3, memory_bytes=1, cpu_seconds=1)
DIGEST = digest_of(b"layer")
PACKAGE = PackageRecord(type="deb", name="a", version="1")
HIT = SecretHit(rule="r", title="t", path="p", line=1, fingerprint="f", preview="AKIA")


def rows(count: int = 1, **changed: object) -> Rows:
    values: dict[str, object] = {"path": ["p"] * count, "kind": "f" * count, "link": [""] * count}
    numbers = {name: [0] * count for name in ("mode", "uid", "gid", "size")}
    return Rows(**{**values, **numbers, **changed})  # type: ignore[arg-type]


LIES: list[tuple[Callable[[], list[Message]], str]] = [
    (lambda: [rows(4)], "too many entries"),
    (lambda: [rows(2), rows(2)], "too many entries"),
    (lambda: [rows(path=["a", "b"])], "malformed"),
    (lambda: [rows(kind="ff")], "malformed"),
    (lambda: [rows(kind="x")], "malformed"),
    (lambda: [rows(size=[-1])], "below zero"),
    (lambda: [rows(path=["x" * 20_000])], "endless path"),
    (lambda: [Removals(whiteouts=["a", "b"], opaque=["c", "d"], behind=[0, 0, 0, 0])], "too many removals"),
    (lambda: [Removals(whiteouts=["a"], opaque=["c"], behind=[0])], "malformed"),
    (lambda: [Removals(whiteouts=["a"], opaque=[], behind=[4])], "behind nothing"),
    (lambda: [Removals(whiteouts=["a"], opaque=[], behind=[-1])], "behind nothing"),
    (lambda: [Text(path="etc/shadow", content=b"", more=False)], "nobody asked"),
    (lambda: [Text(path="etc/passwd", content=bytes(600_000), more=True)] * 2, "nobody asked"),
    (lambda: [Database(path="p", type="evil", system=False, packages=(), more=False)], "cannot be"),
    (lambda: [Database(path="p", type="deb", system=False, packages=(PACKAGE,) * 200_000, more=True)] * 3, "cannot be"),
    (lambda: [Alias(path=f"{number}/package.json", target="t") for number in range(4)], "too many links"),
    (lambda: [Secrets(hits=(HIT,) * 1001)], "too many secrets"),
    (lambda: [Secrets(hits=(SecretHit(rule="r", title="", path="", line=1, fingerprint="", preview="whole secret"),))], "more of"),
    (lambda: [Problems(problems=(Problem(reason="r", detail="", sections=()),) * 65)], "too many problems"),
    (lambda: [Done(compressed_bytes=1, plain_bytes=1), rows()], "went on"),
]


@pytest.mark.parametrize(("lies", "expected"), LIES)
def test_a_lie_is_refused(lies: Callable[[], list[Message]], expected: str) -> None:
    """Counts, sizes and shapes that no layer within its limits can have."""
    collector = Collector(LIMITS)
    with pytest.raises(WorkerFailedError, match=expected):
        for message in lies():
            collector.add(message)


def test_without_the_last_word_there_are_no_facts() -> None:
    """A worker that ended early has not seen all of its layer."""
    collector = Collector(LIMITS)
    collector.add(Confined(held=()))
    collector.add(rows())
    with pytest.raises(WorkerFailedError, match="without saying"):
        collector.facts(DIGEST, ())


def test_what_a_worker_says_becomes_facts() -> None:
    """In the order in which it was said; a text and a database may come in parts."""
    collector = Collector(LIMITS)
    for message in (
        rows(),
        Text(path="etc/passwd", content=b"ro", more=True),
        Text(path="etc/passwd", content=b"ot", more=False),
        Database(path="d", type="deb", system=True, packages=(PACKAGE,), more=True),
        Database(path="d", type="deb", system=True, packages=(PACKAGE,), more=False),
        Secrets(hits=(HIT,)),
        Done(compressed_bytes=5, plain_bytes=9),
    ):
        collector.add(message)
    facts = collector.facts(DIGEST, ("deb/7",))
    assert (facts.digest, facts.makers, facts.compressed_bytes, facts.plain_bytes) == (DIGEST, ("deb/7",), 5, 9)
    assert facts.texts == {"etc/passwd": b"root"}
    assert [len(database.packages) for database in facts.databases] == [2]
    assert (facts.secrets, facts.files.path) == ((HIT,), ["p"])


def test_a_refusal_is_kept_for_whoever_asks_why() -> None:
    """It is not a fact."""
    collector = Collector(LIMITS)
    collector.add(Refused(why="x" * 1000))
    assert collector.refusal == "x" * 500


def test_a_layer_that_failed_has_one_fatal_problem() -> None:
    """It makes everything that is read from layers incomplete."""
    (problem,) = failed_facts(DIGEST, (), 5, "worker-failed", "it died").problems
    assert (problem.reason, problem.fatal) == ("worker-failed", True)
    assert set(problem.sections) == {"packages", "files", "secrets", "users", "distro", "declared"}


async def heard(raw: bytes) -> list[Message]:
    output, sink = os.pipe()
    os.write(sink, raw)
    os.close(sink)
    messages: list[Message] = []
    await receive(output, messages.append)
    return messages


async def test_messages_come_as_they_were_sent() -> None:
    """Over a pipe, in order, until its end."""
    output, sink = os.pipe()
    sent: list[Message] = [Confined(held=("seccomp",)), rows(2), Done(compressed_bytes=1, plain_bytes=2)]
    for message in sent:
        send(sink, message)
    os.close(sink)
    messages: list[Message] = []
    await receive(output, messages.append)
    assert messages == sent


async def test_a_message_that_is_cut_short_is_none() -> None:
    """How its worker ended says why."""
    assert await heard(b"\0\0\0\x10abc") == []
    assert await heard(b"\0\0") == []


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", b"\0\0\0\x01\xc1", b"\0\0\0\x01\x80", b"\0\0\0\x03\xa2hi"])
async def test_what_is_no_message_is_refused(raw: bytes) -> None:
    """A frame of 4 GiB, and frames that are none of ours; their content is not repeated."""
    with pytest.raises(WorkerFailedError, match="a worker sent"):
        await heard(raw)


def test_a_message_beyond_the_limit_is_not_sent() -> None:
    """Whoever makes it knows how to make two of it."""
    with pytest.raises(ValueError, match="a message of"):
        send(1, Text(path="p", content=bytes(MAX_MESSAGE_BYTES), more=False))
