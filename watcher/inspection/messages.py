"""What the daemon asks of a worker and what it hears back: frames of msgpack, each at most MAX_MESSAGE_BYTES.

The worker is not believed: types are checked as a frame is decoded, counts and sizes by whoever collects them.
"""

import asyncio
import os
from collections.abc import Callable

import msgspec

from watcher.model.errors import WorkerFailedError
from watcher.model.inventory import PackageRecord, Problem, SecretHit

MAX_MESSAGE_BYTES = 1024 * 1024
_HEADER_BYTES = 4
# Texts and package lists are cut at this, which leaves room for what surrounds them.
MAX_PART_BYTES = 512 * 1024


class _Frame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="message"):
    """What kind of frame it is travels with it."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one layer may cost; see InspectionSettings."""

    plain_bytes: int
    files: int
    memory_bytes: int
    cpu_seconds: int


class Greeting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first thing a zygote is told."""

    salt: bytes


class ForkRequest(_Frame, frozen=True, kw_only=True, tag="fork"):
    """One worker, please; its input and its output come along as descriptors."""

    worker: int
    limits: Limits


class KillRequest(_Frame, frozen=True, kw_only=True, tag="kill"):
    worker: int


ZygoteRequest = ForkRequest | KillRequest


class Ready(_Frame, frozen=True, kw_only=True, tag="ready"):
    """Everything is loaded: workers can be forked."""


class Ended(_Frame, frozen=True, kw_only=True, tag="ended"):
    """How a worker ended: its exit code, or the negative number of the signal; the memory and the processor time it took."""

    worker: int
    code: int
    peak_bytes: int
    cpu_seconds: float


ZygoteAnswer = Ready | Ended


class Confined(_Frame, frozen=True, kw_only=True, tag="confined"):
    """The first message of every worker: what holds of `sandbox.MECHANISMS`."""

    held: tuple[str, ...]


class Refused(_Frame, frozen=True, kw_only=True, tag="refused"):
    """It does not read without a sandbox, or could not go on; `why` holds nothing of the layer."""

    why: str


class Rows(_Frame, frozen=True, kw_only=True, tag="rows"):
    """The next entries, column by column as in FileTable; `kind` has one character each."""

    path: list[str]
    kind: str
    mode: list[int]
    uid: list[int]
    gid: list[int]
    size: list[int]
    link: list[str]


class Removals(_Frame, frozen=True, kw_only=True, tag="removals"):
    whiteouts: list[str]
    opaque: list[str]


class Database(_Frame, frozen=True, kw_only=True, tag="database"):
    """A package database, or a further part of the one that came before when `more` was true there."""

    path: str
    type: str
    system: bool
    packages: tuple[PackageRecord, ...]
    more: bool


class Text(_Frame, frozen=True, kw_only=True, tag="text"):
    """A small file, or its next part."""

    path: str
    content: bytes
    more: bool


class Alias(_Frame, frozen=True, kw_only=True, tag="alias"):
    """`path` is a hard link to `target`, and would be a database or text by its name."""

    path: str
    target: str


class Forgotten(_Frame, frozen=True, kw_only=True, tag="forgotten"):
    """A later entry of the layer has replaced the database or text of this path."""

    path: str


class Secrets(_Frame, frozen=True, kw_only=True, tag="secrets"):
    hits: tuple[SecretHit, ...]


class Problems(_Frame, frozen=True, kw_only=True, tag="problems"):
    problems: tuple[Problem, ...]


class Done(_Frame, frozen=True, kw_only=True, tag="done"):
    """The last message: all of the input was read."""

    compressed_bytes: int
    plain_bytes: int


Message = Confined | Refused | Rows | Removals | Database | Text | Alias | Forgotten | Secrets | Problems | Done

# What is read ahead; the pipe itself holds 64 KiB.
_BUFFER_BYTES = 256 * 1024

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Message)


def encoded(message: Message) -> bytes:
    """The content of a frame."""
    return _ENCODER.encode(message)


def send(descriptor: int, message: Message) -> None:
    """Write one frame, waiting for the reader.

    Raises:
        ValueError: the message is too large; whoever makes it knows how to make two of it.
        OSError: nobody reads any more.
    """
    content = encoded(message)
    if len(content) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(content)} bytes")
    frame = memoryview(len(content).to_bytes(_HEADER_BYTES, "big") + content)
    while frame:
        frame = frame[os.write(descriptor, frame) :]


async def receive(descriptor: int, consume: Callable[[Message], None]) -> None:
    """Hand every frame of a pipe to `consume`, until its end or the end of this task; the pipe is closed then.

    Raises:
        WorkerFailedError: a frame that is too large, or no message.
    """
    # A chunk of entries takes a millisecond to decode: not worth a thread, and a thread that reads a pipe cannot be cancelled.
    reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        while True:
            length = int.from_bytes(await reader.readexactly(_HEADER_BYTES), "big")
            if length > MAX_MESSAGE_BYTES:
                raise WorkerFailedError(f"a worker sent a frame of {length} bytes")
            content = await reader.readexactly(length)
            try:
                message = _DECODER.decode(content)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                # Not the library's text: it could quote what a layer made the worker say.
                raise WorkerFailedError(f"a worker sent something that is no message ({type(error).__name__})") from None
            consume(message)
    except asyncio.IncompleteReadError:
        return  # how the worker ended says whether it was done
    finally:
        transport.close()
