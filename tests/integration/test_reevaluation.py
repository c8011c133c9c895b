"""Images that were judged are judged again by a running daemon: new advisories, other policies; with their registry gone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.advisory_data import at, encoded, osv, until
from tests.doubles.daemon import Receiver, RunningDaemon
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.hooks import told_at
from tests.doubles.pushing import skopeo_push, write_layout
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer
from watcher.testing.ports import free_port

DEBIAN = 'ID=debian\nVERSION_ID="12"\nNAME="Debian GNU/Linux"\n'
FORBIDDEN = """\
apiVersion: watcher/v1
kind: Policy
metadata: {name: own, version: 1.0.0}
rules:
  - {id: zlib, action: fail, each: packages as p, when: 'p.name == "zlib1g" && FORBID', message: no zlib}
"""


def an_image(package: str, version: str = "1.2.13", **changes: Any) -> BuiltImage:
    status = f"Package: {package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
    layer = build_layer({"etc/os-release": DEBIAN, "etc/passwd": "app:x:1000:1000::/:/bin/sh\n", "var/lib/dpkg/status": status})
    return build_image([layer], config={"User": "1000"}, **changes)


class World:
    """A daemon that has judged images of a registry, and a receiver of what it says."""

    def __init__(self, registry: RunningRegistry, daemon: RunningDaemon, receiver: Receiver, folder: Path) -> None:
        self.registry, self.daemon, self.receiver, self.folder = registry, daemon, receiver, folder
        self.imported = 0

    def push(self, image: BuiltImage, repository: str) -> None:
        skopeo_push(write_layout(self.folder / repository.replace("/", "-"), image), f"{self.registry.host}/{repository}:v1")
        self.daemon.eventually(lambda: self.said(repository), seconds=90, what=f"a verdict of {repository}")

    def said(self, repository: str) -> list[dict[str, Any]]:
        """Verdicts of a repository's images, as they were told, the oldest first.

        One that was told to us when the daemon was killed is told once more, by the same id.
        """
        verdicts = {event["data"]["id"]: event["data"] for event in self.receiver.events()}
        return [verdict for verdict in verdicts.values() if verdict["image"]["repository"] == repository]

    def import_advisories(self, *records: dict[str, Any]) -> None:
        """By the command, beside the running daemon."""
        self.imported += 1
        path = self.folder / f"advisories-{self.imported}.jsonl"
        path.write_bytes(encoded(*records))
        command = [sys.executable, "-m", "watcher", "-c", str(self.folder / "watcher.yaml"), "advisories", "import", str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def policy(self, *, forbid: bool) -> None:
        (self.folder / "policies").mkdir(exist_ok=True)
        (self.folder / "policies" / "own.yaml").write_text(FORBIDDEN.replace("FORBID", str(forbid).lower()))

    def begun(self, cause: str, number: int) -> dict[str, Any]:
        """What the log says when it began for the `number`th time for that cause."""

        def look() -> dict[str, Any] | None:
            lines = [line for line in self.daemon.lines() if line["event"] == "reevaluation.begun" and line["cause"] == cause]
            return lines[number - 1] if len(lines) >= number else None

        return self.daemon.eventually(look, what=f"reevaluation because of {cause}")

    def outcomes(self, repository: str, *outcomes: str) -> list[dict[str, Any]]:
        """Wait until exactly these were told of it, one after the other."""

        def look() -> list[dict[str, Any]] | None:
            said = self.said(repository)
            return said if [each["outcome"] for each in said] == list(outcomes) else None

        return self.daemon.eventually(look, seconds=60, what=f"{outcomes} of {repository}")


@pytest.fixture
def world(start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path) -> Iterator[World]:
    port = free_port()
    registry = start_docker_registry(
        tmp_path / "registry",
        **told_at(port),
    )
    receiver = Receiver()
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "policies: {packs: [vulnerabilities], path: policies}\n"
        f"publish: [{{type: webhook, url: '{receiver.url}', secret: 'env:OUT_SECRET'}}]\n"
    )
    world = World(
        registry,
        RunningDaemon(directory=tmp_path, config=config, port=port, environment={"OUT_SECRET": "out"}),
        receiver,
        tmp_path,
    )
    world.policy(forbid=False)
    world.daemon.start()
    yield world
    assert world.daemon.stop() == 0
    receiver.close()


ZLIB = osv("DEBIAN-CVE-2026-1", at("Debian:12", "zlib1g", *until("1.2.14"), ecosystem_specific={"urgency": "high"}))
OTHER = osv("DEBIAN-CVE-2026-2", at("Debian:12", "other", *until("2"), ecosystem_specific={"urgency": "high"}))


def test_new_advisories_change_verdicts_without_the_registry(world: World) -> None:
    """Of the images that hold the package, in an index as well; the others are left alone, and what only repeats is not told."""
    world.push(an_image("zlib1g"), "team/app")
    world.push(build_index([an_image("zlib1g", platform="linux/amd64"), an_image("bash", platform="linux/arm64")]), "team/index")
    world.push(an_image("bash"), "team/tool")
    (first,) = world.outcomes("team/app", "unknown")
    assert first["sections"]["vulnerabilities"]["state"] == "not-configured"
    world.registry.stop()
    # A distribution that is covered and says nothing of these packages.
    world.import_advisories(OTHER)
    for repository in ("team/app", "team/tool"):
        world.outcomes(repository, "unknown", "pass")
    assert world.begun("all-advisories", 1)["images"] == 3
    world.import_advisories(ZLIB)
    _, _, said = world.outcomes("team/app", "unknown", "pass", "fail")
    assert any(finding["key"].startswith("CVE-2026-1@pkg:deb/debian/zlib1g@1.2.13") for finding in said["findings"])
    assert world.begun("advisories", 1)["images"] == 2

    def failed_index() -> dict[str, Any] | None:
        said = [each for each in world.said("team/index") if each["image"]["platform"] is None and each["outcome"] == "fail"]
        return said[-1] if said else None

    index = world.daemon.eventually(failed_index, what="a verdict of the index")
    assert {each["platform"] for each in index["findings"]} == {"linux/amd64"}
    # An advisory that says of it what was known.
    world.import_advisories(ZLIB | {"summary": "The same in other words."})
    assert world.begun("advisories", 2)["images"] == 2
    world.import_advisories(osv("GHSA-a", at("PyPI", "nobody-has-it", *until("2"))))
    assert world.begun("advisories", 3)["images"] == 0
    world.outcomes("team/app", "unknown", "pass", "fail")
    world.outcomes("team/tool", "unknown", "pass")


def test_other_policies_change_verdicts_without_the_registry(world: World) -> None:
    """By SIGHUP; a file that is wrong changes nothing, and a daemon that was killed goes on where it was."""
    world.import_advisories(OTHER)
    world.push(an_image("zlib1g"), "team/app")
    world.outcomes("team/app", "pass")
    world.registry.stop()
    assert world.daemon.process is not None
    world.policy(forbid=True)
    os.kill(world.daemon.process.pid, signal.SIGHUP)
    world.outcomes("team/app", "pass", "fail")
    world.daemon.kill()
    world.policy(forbid=False)
    world.daemon.start()
    world.outcomes("team/app", "pass", "fail", "pass")
    listed = json.dumps(world.daemon.get("/api/v1/events?limit=500"))
    assert "reevaluation" not in listed
