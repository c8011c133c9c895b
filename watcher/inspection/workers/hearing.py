"""Hears what a worker says over its pipe."""

import asyncio
import os
from collections.abc import Callable

import msgspec

from watcher.inspection.workers.messages import HEADER_BYTES, MAX_MESSAGE_BYTES, Message
from watcher.model.errors import WorkerFailedError

# What is read ahead; the pipe itself holds 64 KiB.
_BUFFER_BYTES = 256 * 1024

_DECODER = msgspec.msgpack.Decoder(Message)


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
            length = int.from_bytes(await reader.readexactly(HEADER_BYTES), "big")
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
