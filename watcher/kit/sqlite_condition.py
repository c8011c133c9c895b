"""Whether a database can be written, as its last commits showed; said once per change, counted every time."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from watcher.kit.sqlite_trouble import Ailment, Trouble, free_bytes

log = structlog.get_logger(__name__)

# A disk at its very limit takes this write and not the next: of what comes and goes so quickly one line a minute is enough.
QUIET_SECONDS = 60.0
# Whoever asks again within this time is told the same: a flood of probes costs one write a second.
FRESH_SECONDS = 1.0
# A full disk has room again when there is place for some hundred events, not for the one that was tried.
ROOM_BYTES = 1024 * 1024


class Condition:
    """Told by the threads that read and write, asked by anybody. `counted` hears the ailment of every failure."""

    def __init__(self, path: Path, *, counted: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._counted = counted
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._trouble: Trouble | None = None
        self._known_at = float("-inf")
        self._told: tuple[Ailment, float] | None = None
        self._is_told = False

    @property
    def trouble(self) -> Trouble | None:
        """Why the last write failed, until one has succeeded."""
        return self._trouble

    @property
    def damage(self) -> Trouble | None:
        """What no write ends."""
        return self._trouble if self._trouble is not None and self._trouble.ailment is Ailment.DAMAGED else None

    def is_fresh(self) -> bool:
        """Whether it has just been found out."""
        return self._monotonic() - self._known_at < FRESH_SECONDS

    def read_failed(self, trouble: Trouble) -> None:
        """A reader met it, which says nothing of writing, unless it is damage: what is written to such a file may not be found."""
        if trouble.ailment is Ailment.DAMAGED:
            self.failed(trouble)
            return
        self._counted(trouble.ailment.value)
        with self._lock:
            self._tell(trouble)

    def failed(self, trouble: Trouble) -> None:
        """Nothing could be written."""
        self._counted(trouble.ailment.value)
        with self._lock:
            before, self._trouble, self._known_at = self._trouble, trouble, self._monotonic()
            if not self._is_told or before is None or before.ailment is not trouble.ailment:
                self._is_told = self._tell(trouble) or self._is_told

    def proved(self) -> None:
        """Something was written.

        What is damaged stays so until a person has looked, though other parts of the file can be written. On a disk that was full
        it may have gone where space was left by what failed: that it was written says little then.
        """
        is_full = self._trouble is not None and self._trouble.ailment is Ailment.FULL
        if self.damage is not None or (is_full and free_bytes(self._path) < ROOM_BYTES):
            self._known_at = self._monotonic()
            return
        with self._lock:
            before, self._trouble, self._known_at = self._trouble, None, self._monotonic()
            if before is not None and self._is_told:
                self._is_told = False
                log.info("store.recovered", path=str(self._path), reason=before.ailment.value)

    def _tell(self, trouble: Trouble) -> bool:
        """Whether it was news."""
        now = self._monotonic()
        if self._told is not None and self._told[0] is trouble.ailment and now - self._told[1] < QUIET_SECONDS:
            return False
        self._told = trouble.ailment, now
        said = log.warning if trouble.ailment is Ailment.LOCKED else log.error  # a lock passes; the others want a person
        said("store.failed", path=str(self._path), reason=trouble.ailment.value, detail=trouble.text, advice=trouble.advice)
        return True
