"""A process that ends with the one that started it, whatever state either is in.

The end of a pipe or a socket says it too, but only to a process that listens: not to one that is stopped, or deep in its work.
"""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1  # Linux uapi prctl.h

# Loaded with the module: whoever confines itself can open nothing afterwards.
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """From now on this process is killed when the thread that started it ends. A change of user, or an exec with one, undoes it."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
