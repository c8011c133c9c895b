"""The side of a child process that answers one question at a time; `processes` is the parent's.

They speak frames over the child's stdin and stdout: one byte of kind, eight of length, the content. The first frame is what the
child needs to begin; it answers that it is ready, or refuses with a sentence. No event loop is imported here: a child has none, and
loading it takes a sixth of what it takes to start one.
"""

import os
import resource
import signal
from collections.abc import Callable
from typing import BinaryIO

from watcher.kit.parent_death import die_with_parent

HEADER_BYTES = 9
READY, ANSWER, REFUSED = b"r", b"a", b"n"

Answer = Callable[[bytes], bytes]


class Refusal(Exception):  # noqa: N818 - not an error of ours: it crosses to the parent, which raises ChildRefusedError
    """Raised by what `serve` starts with: the child cannot begin, and this is why."""


def serve(begin: Callable[[bytes], Answer]) -> None:
    """The child's side: read the greeting, let `begin` make what answers, answer until stdin ends.

    What `begin` or its answer raises ends the process with a traceback, which the parent sees; only Refusal is an answer.
    Whatever is printed goes to stderr, since stdout carries the frames.
    """
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ctrl-C reaches the whole group; the parent ends its children itself once it has drained.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    greeting = _read(questions)
    if greeting is None:
        return
    try:
        answer = begin(greeting)
    except Refusal as refusal:
        _write(answers, REFUSED, str(refusal).encode())
        return
    _write(answers, READY, b"")
    while (question := _read(questions)) is not None:
        _write(answers, ANSWER, answer(question))


def _read(stream: BinaryIO) -> bytes | None:
    header = stream.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    _, length = parsed(header)
    content = stream.read(length)
    return content if len(content) == length else None


def _write(stream: BinaryIO, kind: bytes, content: bytes) -> None:
    stream.write(header(kind, len(content)) + content)
    stream.flush()


def header(kind: bytes, length: int) -> bytes:
    return kind + length.to_bytes(8, "big")


def parsed(header: bytes) -> tuple[bytes, int]:
    return header[:1], int.from_bytes(header[1:], "big")
