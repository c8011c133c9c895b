"""Pushes while everything around the daemon fails: `python bench/endurance.py [--pushes 5000] [--seed 1]`.

`watcher run` with webhooks and a sweep, a real docker-registry, a receiver of messages; the store on a small disk of its own. While
images are pushed, the daemon, its children, the registry and the receiver are killed or stopped at random, and the disk fills up
twice. Afterwards every push has one verdict, attached once and told to the receiver; the memory of the daemon that saw the last
pushes is compared over its life. Mounting the disk needs root.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.results import Result, told
from tests.doubles.children import children
from tests.doubles.daemon import Receiver, RunningDaemon
from tests.doubles.docker_registry import RunningRegistry, start_docker_registry
from tests.doubles.hooks import rows, told_at
from tests.doubles.pushing import MANIFESTS
from watcher.model.digest import Digest
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.ports import free_port

RSS_BUDGET = 0.10
REPOSITORIES = 50
LAYERS = [build_layer({f"app/{number}": str(number) * 2000}) for number in range(40)]
DISK = "size=400m"
DRAIN_SECONDS = 900.0
OPEN = ("job", "publication")


@dataclass(kw_only=True)
class Endurance:
    """Everything that is hurt, and what was pushed: (repository, digest)."""

    folder: Path
    registry: RunningRegistry
    receiver: Receiver
    daemon: RunningDaemon
    random: random.Random
    pushed: list[tuple[str, Digest]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    hurt: Counter[str] = field(default_factory=Counter)
    spared: bool = False  # the daemon itself, towards the end, so that one process has a history
    rss: list[float] = field(default_factory=list)  # MiB, of the daemon that is spared

    def push_all(self, count: int) -> None:
        for number in range(count):
            self.push(number)

    def push(self, number: int) -> None:
        """An image of its own under a tag of its own, however often the registry has to be asked."""
        repository = f"team/app-{number % REPOSITORIES}"
        layers = self.random.sample(LAYERS, 2)
        image = build_image(layers, config={"User": "1000", "Labels": {"number": str(number)}})
        while True:
            try:
                put_image(self.registry, repository, image, f"v{number}")
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
            else:
                self.pushed.append((repository, Digest(image.digest)))
                return

    def trouble(self) -> None:
        """One at a time, chosen at random, until it has passed."""
        choices: list[Callable[[], None]] = [
            self.child_killed, self.child_killed, self.child_stopped, self.daemon_stopped,
            self.registry_killed, self.registry_stopped, self.receiver_gone, self.receiver_refuses,
        ]  # fmt: skip
        if not self.spared:
            choices += [self.daemon_killed, self.daemon_killed, self.daemon_restarted]
        choice = self.random.choice(choices)
        self.hurt[choice.__name__] += 1
        choice()

    def daemon_killed(self) -> None:
        self.daemon.kill()
        self.daemon.start()

    def daemon_restarted(self) -> None:
        assert self.daemon.stop(seconds=30) == 0
        self.daemon.start()

    def daemon_stopped(self) -> None:
        assert self.daemon.process is not None
        self._stopped(self.daemon.process.pid)

    def registry_killed(self) -> None:
        self.registry.kill()
        self._pause()
        self.registry.start()

    def registry_stopped(self) -> None:
        assert self.registry.process is not None
        self._stopped(self.registry.process.pid)

    def receiver_gone(self) -> None:
        port = int(self.receiver.url.rpartition(":")[2].partition("/")[0])
        self.receiver.close()
        self.remember()
        self._pause()
        self.receiver = Receiver(port)

    def receiver_refuses(self) -> None:
        self.receiver.status = 503
        self._pause()
        self.receiver.status = 202

    def child_killed(self) -> None:
        self._child("kill")

    def child_stopped(self) -> None:
        self._child("stop")

    def disk_full(self) -> None:
        """For some seconds, while all else goes on."""
        self.hurt["disk_full"] += 1
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**16))
        time.sleep(5)
        ballast.unlink()

    def remember(self) -> None:
        """Whom the receiver was told of, successfully or not, so far."""
        self.told |= {event["data"]["image"]["digest"] for event in self.receiver.events()}

    def measure(self) -> None:
        assert self.daemon.process is not None
        pages = int(Path(f"/proc/{self.daemon.process.pid}/statm").read_text(encoding="ascii").split()[1])
        self.rss.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    def open(self) -> dict[str, int]:
        counted = "SELECT count(*) AS n FROM {} WHERE state IN ('waiting', 'leased')"
        return {table: rows(self.daemon, counted.format(table))[0]["n"] for table in OPEN}

    def unjudged(self) -> list[tuple[str, Digest]]:
        judged = {
            (row["repository"], row["digest"]) for row in rows(self.daemon, "SELECT DISTINCT repository, digest FROM verdict")
        }
        return [each for each in self.pushed if each not in judged]

    def _child(self, how: str) -> None:
        assert self.daemon.process is not None
        found = children(self.daemon.process.pid)
        if found:
            self.random.choice(found).strike(how)
        time.sleep(1)

    def _stopped(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        self._pause()
        os.kill(pid, signal.SIGCONT)

    def _pause(self) -> None:
        time.sleep(self.random.uniform(0.5, 4))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pushes", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _small_disk(Path(folder)) as disk, _everything(Path(folder), disk) as all_of_it:
        begun = time.monotonic()
        _endure(all_of_it, asked.pushes, random.Random(asked.seed))
        pushing_ended = time.monotonic()
        drained = _drained(all_of_it)
        return _say(all_of_it, pushing=pushing_ended - begun, drained=drained - pushing_ended)


def _endure(it: Endurance, pushes: int, choice: random.Random) -> None:
    """Push, in a thread of its own, and hurt whatever there is meanwhile."""
    pushing = threading.Thread(target=it.push_all, args=(pushes,), name="pushing")
    full_at = [pushes // 3, 2 * pushes // 3]
    pushing.start()
    while pushing.is_alive():
        time.sleep(choice.uniform(0.2, 1.5))
        it.spared = len(it.pushed) > pushes // 2
        if it.spared:
            it.measure()
        if full_at and len(it.pushed) >= full_at[0]:
            full_at.pop(0)
            it.disk_full()
        it.trouble()
    pushing.join()


def _drained(it: Endurance) -> float:
    """When nothing waits any more, and every push has a verdict: some of them only the sweep tells of."""
    it.daemon.eventually(
        lambda: not it.unjudged() and not any(it.open().values()),
        seconds=DRAIN_SECONDS,
        what=f"the end: {len(it.unjudged())} images without a verdict, open {it.open()}",
    )
    it.measure()
    return time.monotonic()


def _say(it: Endurance, *, pushing: float, drained: float) -> int:
    it.remember()
    doubled = [each for each in it.pushed if referrers(it.registry, *each) > 1]
    unattached = [each for each in it.pushed if referrers(it.registry, *each) < 1]
    dead = (
        rows(it.daemon, "SELECT state FROM job WHERE state = 'dead'"),
        rows(it.daemon, "SELECT state FROM publication WHERE state = 'failed'"),
    )
    untold = {digest for _, digest in it.pushed} - it.told
    quarter = max(1, len(it.rss) // 4)
    early, late = statistics.median(it.rss[:quarter]), statistics.median(it.rss[-quarter:])
    print(f"{len(it.pushed)} pushes in {pushing:.0f} s beside {dict(it.hurt)}; drained {drained:.0f} s after the last")
    print(
        f"without a verdict {len(it.unjudged())}, not attached {len(unattached)}, attached twice {len(doubled)}, "
        f"untold {len(untold)}"
    )
    print(f"dead letters {len(dead[0])} jobs, {len(dead[1])} publications")
    wrong = len(it.unjudged()) + len(unattached) + len(doubled) + len(untold) + len(dead[0]) + len(dead[1])
    what = f"{len(it.pushed)} pushes while everything fails"
    return told(
        Result(what=f"{what}: lost, doubled, untold or given up", unit="images", ours=wrong, most=0),
        Result(
            what=f"{what}: memory of the daemon",
            unit="MiB",
            ours=late,
            against="at first",
            other=early,
            most=1 + RSS_BUDGET,
            of_ratio=True,
        ),
    )


def referrers(registry: RunningRegistry, repository: str, digest: str) -> int:
    """How many verdicts are listed for an image."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
    connection.request("GET", f"/v2/{repository}/manifests/{digest.replace(':', '-')}", headers={"Accept": MANIFESTS})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    listed = json.loads(body).get("manifests", []) if answer.status == 200 else []
    return sum(1 for each in listed if str(each.get("artifactType", "")).startswith("application/vnd.registry-watcher"))


def put_image(registry: RunningRegistry, repository: str, image: BuiltImage, tag: str) -> None:
    """As a client pushes: blobs that are not there, then the manifest. Raises OSError when the registry did not take it."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)

    def ask(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers

    with contextlib.closing(connection):
        for digest, blob in image.blobs.items():
            if ask("HEAD", f"/v2/{repository}/blobs/{digest}")[0] != 200:
                _, headers = ask("POST", f"/v2/{repository}/blobs/uploads/")
                where = str(headers["Location"]).partition(f":{registry.port}")[2]
                status, _ = ask("PUT", f"{where}&digest={quote(digest)}", blob, Content_Type="application/octet-stream")
                if status != 201:
                    raise OSError(f"blob: {status}")
        status, _ = ask("PUT", f"/v2/{repository}/manifests/{tag}", image.raw, Content_Type=image.media_type)
        if status != 201:
            raise OSError(f"manifest: {status}")


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@contextlib.contextmanager
def _everything(folder: Path, disk: Path) -> Iterator[Endurance]:
    port, receiver = free_port(), Receiver()
    registry = start_docker_registry(
        folder / "registry",
        **told_at(port),
        ignore_noise=True,
    )
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources:\n"
        "- {type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}\n"
        f"- {{type: sweep, registry: '{registry.host}', every: 60s}}\n"
        f"publish: [{{type: referrer}}, {{type: webhook, url: '{receiver.url}'}}]\n"
    )
    daemon = RunningDaemon(directory=disk, config=config, port=port)
    daemon.start()
    it = Endurance(folder=disk, registry=registry, receiver=receiver, daemon=daemon, random=random.Random(2))
    try:
        yield it
    finally:
        daemon.stop(seconds=30)
        it.receiver.close()
        registry.stop()


if __name__ == "__main__":
    sys.exit(main())
