"""Files that a configuration names: regular ones, and no longer than such a file is.

To open a FIFO waits for somebody who writes to it, a device has no end, and a start reads what is named more than once.
"""

import errno
import os
import stat
from pathlib import Path

# All authorities that a system believes are a quarter of a megabyte.
MAX_BYTES = 16 * 1024 * 1024


def read_regular(path: str | Path) -> bytes:
    """The content, of at most MAX_BYTES. Raises OSError, whose `strerror` says what it is where it is something else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # otherwise the opening of a FIFO is what waits
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"is larger than {MAX_BYTES >> 20} MiB", str(path))
    return content
