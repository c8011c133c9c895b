"""The confined process that reads one layer: forked by the zygote, it gives up its rights before it reads a byte, and ends."""

import contextlib
import gc
import os
import traceback

from watcher.inspection.confined.decompress import Input
from watcher.inspection.confined.layer_reader import LayerReader, Search
from watcher.inspection.confined.sandbox import Budget, SandboxError, enter, keep_descriptors
from watcher.inspection.workers.messages import (
    CRASHED,
    DONE,
    OVER_MEMORY,
    PROBE,
    REFUSED,
    Confined,
    ForkRequest,
    Outgoing,
    Refused,
    send,
)

_INPUT, _OUTPUT = 0, 1


def work(request: ForkRequest, descriptors: tuple[int, int], search: Search, *, zygote: int) -> int:
    """All that a worker does, from fork to exit; `descriptors` are its input and its output. Returns the exit code."""
    # It lives for one layer and makes no cycles: collecting them would only touch pages shared with the zygote.
    gc.disable()
    try:
        keep_descriptors((*descriptors, os.open(os.devnull, os.O_WRONLY)))
        limits = request.limits
        held = enter(Budget(memory_bytes=limits.memory_bytes, cpu_seconds=limits.cpu_seconds), parent=zygote)
    except (SandboxError, OSError) as error:
        return _last(REFUSED, Refused(why=str(error)[:500]))
    except MemoryError:
        return OVER_MEMORY
    try:
        send(_OUTPUT, Confined(held=held))
        if limits != PROBE:
            outgoing = Outgoing(_OUTPUT)
            LayerReader(limits=limits, search=search, emit=outgoing.send).read(Input(_read))
            outgoing.flush()
    except BrokenPipeError:
        return CRASHED  # nobody wants to know any more
    except MemoryError:
        return OVER_MEMORY
    except Exception as error:  # noqa: BLE001  the last frame of this process; its end is its report
        return _last(CRASHED, Refused(why=_where(error)))
    return DONE


def _read(count: int) -> bytes:
    """All of `count` where there is as much: many small reads would make many small pieces, and those cost a copy each."""
    part = os.read(_INPUT, count)
    if not part or len(part) == count:
        return part
    parts, missing = [part], count - len(part)
    while missing and (part := os.read(_INPUT, missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _last(code: int, message: Refused) -> int:
    with contextlib.suppress(OSError, MemoryError):
        send(_OUTPUT, message)
    return code


def _where(error: Exception) -> str:
    """The kind of an error and where it was raised. Its text could hold what the layer holds, so it stays here."""
    places = [f"{frame.f_code.co_filename.rpartition('/')[2]}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    return f"{type(error).__name__} at {' > '.join(places[-3:])}"
