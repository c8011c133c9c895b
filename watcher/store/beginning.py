"""Whether a daemon could begin with the file that it is told to keep everything in."""

import contextlib
import os
import stat
from pathlib import Path

from watcher.kit.sqlite_condition import ROOM_BYTES
from watcher.kit.sqlite_engine import StoreLockedError
from watcher.kit.sqlite_trouble import Trouble, free_bytes, full
from watcher.model.errors import ConfigurationError
from watcher.store.migrate import require_upgradable


def require_beginnable(path: Path) -> None:
    """Refuse what the daemon would refuse at its start, without touching it: also beside one that runs.

    Raises:
        ConfigurationError: no folder to write in, no file, no database, that of another program or of a newer version, no room.
    """
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "cannot be written" if folder.is_dir() else "is not there"
        raise ConfigurationError(f"store {path}: {folder.absolute()} {what}; the store needs a folder that the watcher may write")
    with contextlib.suppress(OSError):  # there is none yet, and the daemon makes it
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigurationError(f"store {path}: is no file")
        if found.st_size:
            with contextlib.suppress(StoreLockedError):  # for which the daemon waits
                require_upgradable(path)
    require_room(path)


def require_room(path: Path) -> None:
    """A little still fits into the log where something else did not. Raises ConfigurationError."""
    if free_bytes(path) < ROOM_BYTES:
        raise ConfigurationError(cannot_begin(path, full(path)))


def cannot_begin(path: Path, why: Trouble | str) -> str:
    told = f"{why.text}: {why.advice}, then start the watcher again" if isinstance(why, Trouble) else why
    return f"store {path}: {told}"
