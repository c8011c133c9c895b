"""The processes that a daemon has started, seen from outside."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process. `what` is `zygote`, `worker` or `policies`; `started` tells it from a later one of the same number."""

    pid: int
    what: str
    started: str

    @property
    def lives(self) -> bool:
        """Whether it still is, and is no zombie."""
        seen = _status(self.pid)
        return seen is not None and seen.started == self.started and seen.state != "Z"

    def signal(self, number: int) -> None:
        if self.lives:
            os.kill(self.pid, number)


def children(daemon: int) -> list[Child]:
    """Those of the daemon with this number, and theirs, that live."""
    found: list[Child] = []
    for pid, seen in [(pid, seen) for pid in _numbers() if (seen := _status(pid)) is not None and seen.parent == daemon]:
        program = _program(pid)
        what = "policies" if b"watcher.evaluation.child" in program else "zygote" if b"zygote_process" in program else ""
        if not what or seen.state == "Z":
            continue
        found.append(Child(pid=pid, what=what, started=seen.started))
        # Forked without an exec: they are what their parent is.
        forked = [(number, each) for number in _numbers() if (each := _status(number)) is not None and each.parent == pid]
        found += [Child(pid=number, what="worker", started=each.started) for number, each in forked if each.state != "Z"]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    state: str
    parent: int
    started: str


def _numbers() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _status(pid: int) -> _Status | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Status(state=fields[0], parent=int(fields[1]), started=fields[19])


def _program(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
