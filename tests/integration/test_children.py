"""The daemon's children: what happens to them, and what becomes of them."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.children import Child, children
from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import BuiltImage, build_image, build_layer

SOURCE = "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
HELD_SECONDS = 60.0  # longer than any test


class World:
    """One daemon and its registry."""

    def __init__(self, registry: ServedRegistry, daemon: RunningDaemon) -> None:
        self.registry, self.daemon = registry, daemon

    def push(self, repository: str, *, held: bool = False) -> BuiltImage:
        """Announce an image of its own; `held` stalls its layer, so that a worker waits for it."""
        image = build_image([build_layer({"app/name": repository * 64})], config={"User": "1000"})
        self.registry.put(repository, image)
        if held:
            _config, layer = image.blobs
            self.registry.fault(method="GET", path=f"/v2/{repository}/blobs/{layer}", stall_seconds=HELD_SECONDS)
        assert deliver(self.daemon, envelope(push_event(self.registry.host, repository, image)))[0] == 202
        return image

    def outcome(self, repository: str) -> str:
        """The verdict's, once there is one."""
        found = rows(self.daemon, "SELECT outcome FROM verdict WHERE repository = ?", repository)
        return str(found[0]["outcome"]) if found else ""

    def children(self, *what: str) -> list[Child]:
        """Those of that kind, or all."""
        assert self.daemon.process is not None
        return [each for each in children(self.daemon.process.pid) if not what or each.what in what]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    registry = ServedRegistry()
    daemon = RunningDaemon(directory=tmp_path, config=f'registries: [{{host: "{registry.host}"}}]\n{SOURCE}')
    daemon.start()
    yield World(registry, daemon)
    assert daemon.process is not None
    if daemon.process.poll() is None:
        assert daemon.stop() == 0
    registry.close()


@pytest.mark.parametrize("number", [signal.SIGCONT, signal.SIGSTOP])
def test_no_child_outlives_a_daemon_that_was_killed(world: World, number: signal.Signals) -> None:
    """Not even one that is stopped, and hears nothing of the end of its pipe."""
    world.push("team/held", held=True)
    held = eventually(lambda: world.children("worker") and world.children(), what=f"a worker\n{world.daemon.tail()}")
    assert {each.what for each in held} == {"zygote", "worker", "policies"}
    for child in held:
        child.signal(number)
    world.daemon.kill()
    eventually(lambda: not [each for each in held if each.lives], what=f"the end of {held}")
