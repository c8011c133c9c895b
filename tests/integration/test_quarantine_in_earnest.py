"""Quarantine on a real registry: what is pulled afterwards, what events of our own come to, and what a kill leaves."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.daemon import HOOK_SECRET, Receiver, RunningDaemon
from tests.doubles.databases import opened_beside
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.hand_clock import HandClock
from tests.doubles.hooks import rows, told_at
from tests.doubles.interposed import interposed
from tests.doubles.publishing import publisher_context
from tests.doubles.pushing import skopeo_push, write_layout
from tests.doubles.quarantine_bench import APP, BAD, FIXED, GOOD, QuarantineBench
from tests.doubles.relay import Relay
from watcher.backlog.sqlite import SqliteBacklog
from watcher.model.digest import Digest
from watcher.model.quarantine import marker_tag
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome
from watcher.pipeline.stored_pushes import StoredPushes
from watcher.registry.access import RegistryClients
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.images import BuiltImage, build_image, build_layer, push_image
from watcher.testing.ports import free_port

pytestmark = pytest.mark.enable_socket

OPEN_JOBS = "SELECT id FROM job WHERE state IN ('waiting', 'leased')"
OPEN_PUBLICATIONS = "SELECT id FROM publication WHERE state IN ('waiting', 'leased')"
STATES = "SELECT state FROM quarantine"
PASSWD = "root:x:0:0:root:/root:/bin/bash\napp:x:1000:1000::/home/app:/bin/sh\n"
KEY = "AKIA" + "Q3EGRIMZ7KLDOP5X"


def an_image(**files: str) -> BuiltImage:
    return build_image([build_layer({"etc/passwd": PASSWD, **files})], config={"User": "app"})


CLEAN = an_image(app="one")
LEAKING = an_image(app="two", **{"root/.aws/credentials": f"[default]\naws_access_key_id = {KEY}\n"})
MENDED = an_image(app="three")
MARKER = marker_tag(LEAKING.digest)


class World:
    """A registry behind a relay, and a daemon that quarantines there."""

    def __init__(self, registry: RunningRegistry, relay: Relay, daemon: RunningDaemon, receiver: Receiver, folder: Path) -> None:
        self.registry, self.relay, self.daemon, self.receiver, self.folder = registry, relay, daemon, receiver, folder

    def push(self, image: BuiltImage, tag: str) -> None:
        """Until its event is here: without it nothing is quiet."""
        before = self.events(image, tag)
        skopeo_push(write_layout(self.folder / f"{image.digest[7:19]}-{tag}", image), f"{self.registry.host}/{APP}:{tag}")
        self.daemon.eventually(lambda: self.events(image, tag) > before, what="the event of the push")

    def leads(self, tag: str) -> str | None:
        """As a client that pulls is told."""
        command = ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{self.registry.host}/{APP}:{tag}"]
        done = subprocess.run(command, capture_output=True, check=False)
        known = {image.raw: name for name, image in {"clean": CLEAN, "leaking": LEAKING, "mended": MENDED}.items()}
        return known.get(done.stdout)

    def told(self) -> Counter[tuple[str, str | None]]:
        """How often the receiver heard of an image by a tag."""
        return Counter((each["data"]["image"]["digest"], each["data"]["image"]["tag"]) for each in self.receiver.events())

    def events(self, image: BuiltImage, tag: str) -> int:
        """How many of an image by a tag came in."""
        return len(rows(self.daemon, "SELECT id FROM event WHERE digest = ? AND tag = ?", image.digest, tag))

    def is_quiet(self) -> bool:
        return not rows(self.daemon, OPEN_JOBS) and not rows(self.daemon, OPEN_PUBLICATIONS)

    def settled(self) -> None:
        self.daemon.eventually(self.is_quiet, what="the end of all work")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "watcher", *arguments, "-c", str(self.folder / "watcher.yaml")],
            env={**os.environ, "HOOK_SECRET": HOOK_SECRET},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def world(start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path) -> Iterator[World]:
    port = free_port()
    registry = start_docker_registry(
        tmp_path / "registry",
        **told_at(port),
        ignore_noise=True,
    )
    relay, receiver = Relay(registry.port), Receiver()
    config = (
        f'registries: [{{host: "{relay.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "publish: [{name: block, type: quarantine, actions: [mark, unpublish], dry_run: false}, "
        f"{{type: webhook, url: '{receiver.url}'}}]\n"
    )
    daemon = RunningDaemon(directory=tmp_path, config=config, port=port)
    daemon.start()
    yield World(registry, relay, daemon, receiver, tmp_path)
    relay.let_go()
    assert daemon.stop() == 0
    relay.close()
    receiver.close()


def test_what_fails_is_not_what_latest_leads_to(world: World) -> None:
    """Marked and unpublished, without a storm; a person lets it go beside the daemon, and it stays so."""
    world.push(CLEAN, "latest")
    world.settled()
    world.push(LEAKING, "latest")
    world.daemon.eventually(lambda: world.leads("latest") == "clean", what="the move")
    world.settled()
    assert world.leads(MARKER) == "leaking"
    world.daemon.eventually(lambda: world.events(CLEAN, "latest") == 2, what="the event of the move")
    world.daemon.eventually(lambda: world.events(LEAKING, MARKER) == 1, what="the event of the marker")
    world.settled()
    # Of the marker nobody hears, and of what fails everybody once by its tag; of each image once more when it lost that, and of
    # the clean one when it has it again.
    assert world.told()[LEAKING.digest, "latest"] == 1
    assert {tag for _, tag in world.told()} <= {"latest", None}
    assert world.told().total() <= 5
    assert rows(world.daemon, "SELECT state FROM job WHERE reason = 'marker'") == [{"state": "done"}]
    (listed,) = [json.loads(line) for line in world.command("quarantine", "list", "-o", "json").stdout.splitlines()]
    assert (listed["digest"], listed["state"], listed["blocks"]) == (LEAKING.digest, "in-force", "pulls by latest")
    released = world.command("quarantine", "release", LEAKING.digest, "--reason", "a test")
    assert (released.returncode, released.stdout) == (0, f"{world.relay.host}/{APP}@{LEAKING.digest}: released from block\n")
    # This version of the registry takes no tag away without its image.
    assert "mark was left" in released.stderr
    world.daemon.eventually(lambda: world.events(LEAKING, "latest") == 2, what="the event of the tag that is back")
    world.settled()
    assert world.leads("latest") == "leaking"
    assert rows(world.daemon, STATES) == [{"state": "released"}]


def test_what_a_dry_run_listed_follows_when_it_is_over(world: World) -> None:
    """After a restart, without a push; what a person has excepted meanwhile does not."""
    other = an_image(app="three", **{"root/.aws/credentials": f"[default]\naws_access_key_id = {KEY}\n"})
    earnest = world.daemon.config
    assert world.daemon.stop() == 0
    world.daemon.config = earnest.replace("dry_run: false", "dry_run: true")
    world.daemon.start()
    world.push(LEAKING, "latest")
    world.push(other, "main")
    world.daemon.eventually(lambda: rows(world.daemon, STATES) == [{"state": "dry-run"}] * 2, what="the plans")
    assert world.command("quarantine", "release", other.digest, "--reason", "known").returncode == 0
    assert (world.leads("latest"), world.leads(MARKER)) == ("leaking", None)
    assert world.daemon.stop() == 0
    world.daemon.config = earnest
    world.daemon.start()
    world.daemon.eventually(lambda: world.leads(MARKER) == "leaking", what="the marker")
    world.settled()
    assert sorted(each["state"] for each in rows(world.daemon, STATES)) == ["in-force", "released"]
    assert world.leads(marker_tag(other.digest)) is None


@pytest.mark.parametrize("done", [False, True], ids=["before-the-write", "after-the-write"])
def test_a_daemon_that_is_killed_in_the_middle_goes_on(world: World, done: bool) -> None:
    """Kill -9 while it waits for the answer to a write: what is there afterwards is what was to be."""
    world.push(CLEAN, "latest")
    world.settled()
    world.relay.hold(f"PUT /v2/{APP}/manifests/latest", done=done)
    world.push(LEAKING, "latest")
    world.daemon.eventually(world.relay.held.is_set, what="the write")
    assert rows(world.daemon, STATES) == [{"state": "intended"}]
    world.daemon.kill()
    world.relay.let_go()
    world.daemon.start()
    world.daemon.eventually(lambda: rows(world.daemon, STATES) == [{"state": "in-force"}], seconds=60.0, what="the rest")
    world.settled()
    assert (world.leads("latest"), world.leads(MARKER)) == ("clean", "leaking")
    moved = rows(world.daemon, "SELECT tag, leads_to, state FROM quarantine_tag")
    assert moved == [{"tag": "latest", "leads_to": CLEAN.digest, "state": "done"}]


def test_a_push_that_the_daemon_hides_gets_its_tag_back(world: World) -> None:
    """While its write is on the way somebody pushes what is mended; what is pulled in the end is that."""
    world.push(CLEAN, "latest")
    world.settled()
    world.relay.hold(f"PUT /v2/{APP}/manifests/latest", done=False)
    world.push(LEAKING, "latest")
    world.daemon.eventually(world.relay.held.is_set, what="the write")
    world.push(MENDED, "latest")
    world.relay.let_go()  # without an answer: it is written again, without a look
    moved = "SELECT state FROM quarantine_tag"
    world.daemon.eventually(lambda: rows(world.daemon, moved) == [{"state": "overtaken"}], what="giving it back")
    world.settled()
    assert (world.leads("latest"), world.leads(MARKER)) == ("mended", "leaking")


async def test_a_push_in_the_very_moment_of_our_write_is_given_back(docker_registry: RunningRegistry, tmp_path: Path) -> None:
    """On a registry that compares nothing."""
    clock, path = HandClock(), tmp_path / "watcher.db"
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(publisher_context(path))
        registries = await stack.enter_async_context(RegistryClients.of([]))
        database = await stack.enter_async_context(opened_beside(path))
        backlog, uploads = SqliteBacklog(database, clock), registries.access(docker_registry.host).uploads
        bench = QuarantineBench(
            context=replace(context, registries=registries, clock=clock, pushes=StoredPushes(backlog)),
            host=Host(docker_registry.host),
            put=_unused,
            verdicts=StoredVerdicts(database, clock),
            backlog=backlog,
            clock=clock,
        )
        for image in (GOOD, BAD):
            await push_image(uploads, APP, image, Tag("latest"))
        await push_image(uploads, APP, FIXED)
        await bench.judged(GOOD.digest, Outcome.PASS, "latest")
        failing = await bench.judged(BAD.digest, Outcome.FAIL, "latest")

        async def push(name: str, arguments: tuple[Any, ...]) -> None:
            if name == "put_manifest" and arguments[1] == "latest":
                await push_image(uploads, APP, FIXED, Tag("latest"))

        async def leads() -> Digest | None:
            return await registries.access(docker_registry.host).manifests(RepositoryName(APP)).head(Tag("latest"))

        await bench.tell(failing, bench.publisher(interposed(bench.context, before=push)))
        assert await leads() == GOOD.digest
        clock.advance(1)
        await bench.tell(await bench.pushed(FIXED.digest, "latest"))
        assert await leads() == FIXED.digest


def _unused(_image: BuiltImage, _tag: str | None) -> Digest:
    raise NotImplementedError
