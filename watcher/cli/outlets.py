"""Standard output and error whose reader may go away, as `| head` does, or whose disk may be full."""

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Outlet(io.FileIO):
    """Takes what nobody reads any more as if it were read, and keeps why something could not be written."""

    lost: OSError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            pass
        except OSError as error:
            self.lost = error
        return memoryview(data).nbytes


def output_lost() -> str | None:
    """Why something of standard output was lost, None when nothing was; what has no reader is not lost. After the last of it.

    What is lost of standard error is nobody's to be told of.
    """
    outlet = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(outlet, _Outlet):
        return None
    sys.stdout.flush()
    return outlet.lost.strerror if outlet.lost is not None else None


def outlive_readers() -> None:
    """From now on nothing that cannot be written ends a command: it comes to its own end, and to the exit code of its outcome.

    Without that, `watcher scan IMAGE | head -1` would end as something else than what was found.
    """
    # Streams that are not the process's own are somebody's who knows what to do with them.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _outliving(sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _outliving(sys.stderr)


def _outliving(stream: object) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # type: ignore[return-value]  # None where it was closed before we began
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
