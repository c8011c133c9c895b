"""The machine has nothing left to work with: no file descriptor, memory or thread. It passes by itself, and is nobody's fault."""

import errno
import os

from watcher.model.errors import RetryableError

_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN})
# The only sign that CPython gives when the system refuses a thread.
_NO_THREAD = "can't start new thread"


class ShortageError(RetryableError):
    """This machine, or the share of it that the process may have, is used up."""

    reason = "shortage"


def shortage(error: Exception) -> ShortageError | None:
    """The same as an error of ours, None when it says something else."""
    if isinstance(error, OSError) and error.errno in _SHORT:
        return ShortageError(f"this machine gives the watcher no more: {os.strerror(error.errno)}")
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return ShortageError("this machine gives the watcher no more threads")
    return None
