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
    _require_folder(path.parent, path)
    is_there = _is_file(path, path)
    # SQLite follows a link and keeps its own beside what that leads to; the lock is beside the link.
    database = os.path.realpath(path)
    for beside in (*(f"{database}-{each}" for each in ("wal", "shm", "journal")), f"{path}.lock"):
        _is_file(Path(beside), path)
    if is_there and path.stat().st_size:
        with contextlib.suppress(StoreLockedError):  # for which the daemon waits
            require_upgradable(path)
    require_room(Path(database))


def _is_file(file: Path, store: Path) -> bool:
    """Whether one is there; if not, the daemon could make it. Raises ConfigurationError where neither is so."""
    try:
        found = file.stat()
    except FileNotFoundError:
        _require_folder(Path(os.path.realpath(file)).parent, store)
        return False
    except OSError as error:
        raise ConfigurationError(f"store {store}: {file} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"store {store}: {'' if file == store else f'{file} '}is no file")
    return True


def _require_folder(folder: Path, store: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "cannot be written" if folder.is_dir() else "is not there"
        raise ConfigurationError(f"store {store}: {folder.absolute()} {what}; the store needs a folder that the watcher may write")


def require_room(path: Path) -> None:
    """A little still fits into the log where something else did not. Raises ConfigurationError."""
    if free_bytes(path) < ROOM_BYTES:
        raise ConfigurationError(cannot_begin(path, full(path)))


def cannot_begin(path: Path, why: Trouble | str) -> str:
    told = f"{why.text}: {why.advice}, then start the watcher again" if isinstance(why, Trouble) else why
    return f"store {path}: {told}"
