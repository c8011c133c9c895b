"""A daemon and the processes that it has started, seen and struck from outside."""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.doubles.daemon import RunningDaemon
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, build_image, build_layer

SOURCE = "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
KINDS = ("zygote", "worker", "policies")
# How to strike whom. Workers have a budget of memory, which they inherit in part: those are not starved.
BLOWS = (
    *((how, (what,)) for how in ("kill", "stop") for what in KINDS),
    ("kill", KINDS),
    ("stop", KINDS),
    ("starve", ("policies",)),
)


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

    @property
    def confined(self) -> bool:
        """Whether it has gone through all that it does before it reads a byte."""
        try:
            return "\nSeccomp:\t2\n" in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False

    def strike(self, how: str) -> None:
        """Kill it, stop it, or let it have no more memory than it has."""
        with contextlib.suppress(ProcessLookupError):
            if not self.lives:
                return
            if how == "starve":
                resource.prlimit(self.pid, resource.RLIMIT_AS, (2**20, 2**20))
            else:
                os.kill(self.pid, signal.SIGKILL if how == "kill" else signal.SIGSTOP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """One daemon, its children, and its registry."""

    registry: ServedRegistry
    daemon: RunningDaemon

    def push(self, repository: str, *, held_seconds: float = 0.0) -> BuiltImage:
        """Announce an image of its own; its layer stalls for so long, and a worker waits for it."""
        image = build_image([build_layer({"app/name": repository * 64})], config={"User": "1000"})
        self.registry.put(repository, image)
        if held_seconds:
            _config, layer = image.blobs
            self.registry.fault(method="GET", path=f"/v2/{repository}/blobs/{layer}", stall_seconds=held_seconds)
        assert deliver(self.daemon, envelope(push_event(self.registry.host, repository, image)))[0] == 202
        return image

    def outcome(self, repository: str) -> str:
        """The verdict's, once there is one."""
        found = rows(self.daemon, "SELECT outcome, reason FROM verdict WHERE repository = ?", repository)
        return " ".join(filter(None, found[0].values())) if found else ""

    def children(self, *what: str) -> list[Child]:
        """Those of these kinds, or all."""
        return [each for each in children(self.pid) if not what or each.what in what]

    @property
    def pid(self) -> int:
        assert self.daemon.process is not None
        return self.daemon.process.pid


@contextmanager
def household(directory: Path, more: str = "") -> Iterator[Household]:
    """Until the block ends, when the daemon says that all was well unless it was killed."""
    registry = ServedRegistry()
    daemon = RunningDaemon(directory=directory, config=f'registries: [{{host: "{registry.host}"}}]\n{SOURCE}{more}')
    daemon.start()
    try:
        yield Household(registry=registry, daemon=daemon)
        assert daemon.process is not None
        if daemon.process.poll() is None:
            assert daemon.stop() == 0
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
        registry.close()


def resident_bytes(pid: int) -> int:
    """What a process holds in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


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
