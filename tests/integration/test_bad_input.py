"""Bad input to a running daemon: each has a clear outcome, little memory, and does not keep the next event waiting."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.pushing import attached_verdict
from tests.doubles.served_registry import ServedRegistry
from watcher.model.digest import digest_of
from watcher.model.verdict import SECTIONS
from watcher.testing.images import BuiltImage, Layer, build_image, build_layer

MAX_RESIDENT_KIB = 400 * 1024
MIB = 1024 * 1024
GIB = 1024 * MIB
USER = {"User": "1000"}


class World:
    """The registry and the one daemon that everything here is thrown at."""

    def __init__(self, registry: ServedRegistry, daemon: RunningDaemon) -> None:
        self.registry, self.daemon = registry, daemon
        self.count = 0
        self.peaks_kib: dict[int, int] = {}

    def good(self) -> tuple[str, BuiltImage]:
        """An image nobody has seen, in a repository of its own."""
        self.count += 1
        name = f"good/n{self.count}"
        image = build_image([build_layer({"app/name": name})], config=USER)
        self.registry.put(name, image)
        return name, image

    def event(self, **target: Any) -> dict[str, Any]:
        """The event of a good image with something changed in its target."""
        event = push_event(self.registry.host, *self.good())
        event["target"].update(target)
        return event

    def rejected(self, body: bytes) -> dict[str, Any]:
        """Deliver a body that holds one bad event; the row of the inbox that says what became of it."""
        before = rows(self.daemon, "SELECT coalesce(max(id), 0) AS id FROM event")[0]["id"]
        status, answer = deliver(self.daemon, body)
        assert status == 202
        assert answer["rejected"] == 1
        (row,) = rows(self.daemon, "SELECT * FROM event WHERE id > ?", before)
        assert row["fate"] == "rejected"
        assert row["detail"]
        assert row["job_id"] is None
        return row

    def judged(self, repository: str, image: BuiltImage) -> dict[str, Any]:
        """Announce an image; its verdict. Its workers are watched while they live."""
        status, _ = deliver(self.daemon, envelope(push_event(self.registry.host, repository, image)))
        assert status == 202
        return eventually(lambda: self.recorded(repository, image), what="a verdict")

    def recorded(self, repository: str, image: BuiltImage) -> dict[str, Any] | None:
        self.watch()
        if not rows(self.daemon, "SELECT id FROM verdict WHERE repository = ? AND digest = ?", repository, image.digest):
            return None
        ((verdict),) = self.daemon.get(f"/api/v1/images/{image.digest}/verdicts")["verdicts"]
        shown: dict[str, Any] = verdict
        return shown

    def attached(self, repository: str, image: BuiltImage) -> dict[str, Any]:
        """The verdict that is in the registry, once it is."""
        found = eventually(lambda: attached_verdict(self.registry.url, repository, image.digest), what="a referrer")
        verdict: dict[str, Any] = found[2]
        return verdict

    def watch(self) -> None:
        """Note the most memory that the daemon and each of its living descendants ever had resident."""
        assert self.daemon.process is not None
        for pid, peak_kib in resident_kib(self.daemon.process.pid):
            self.peaks_kib[pid] = max(peak_kib, self.peaks_kib.get(pid, 0))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    registry = ServedRegistry()
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "publish: [{type: referrer}]\n"
    )
    daemon = RunningDaemon(directory=tmp_path_factory.mktemp("bad-input"), config=config)
    daemon.start()
    yield World(registry, daemon)
    code = daemon.stop()
    registry.close()
    assert code == 0


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """Whatever a test did: the next good event is served, and no process of the daemon has grown."""
    yield running
    repository, image = running.good()
    assert running.judged(repository, image)["outcome"] == "pass"
    running.watch()
    assert max(running.peaks_kib.values()) < MAX_RESIDENT_KIB
    assert [line["event"] for line in running.daemon.lines() if line["event"] == "job.crashed"] == []


def resident_kib(pid: int) -> Iterator[tuple[int, int]]:
    """The peak of a process and of each of its living descendants, in KiB; what has just ended is passed over."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = [child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return
    # A zombie has no memory to speak of, and no such line.
    yield from ((pid, int(line.split()[1])) for line in status.splitlines() if line.startswith("VmHWM"))
    for child in children:
        yield from resident_kib(int(child))


def tar_header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def layer_of(raw: bytes) -> Layer:
    """A layer of any bytes, which says of itself what cannot be true."""
    return Layer(raw=raw, diff_id=digest_of(b""))


def duplicate_keys(event: dict[str, Any]) -> bytes:
    target = json.dumps(event["target"])
    return envelope(event).replace(target.encode(), f'{target[:-1]}, "digest": "sha256:{"0" * 64}"}}'.encode())


BODIES: list[tuple[str, str, Callable[[World], bytes]]] = [
    ("not JSON", "invalid-json", lambda _: b"<events/>"),
    ("half of a body", "invalid-json", lambda world: envelope(world.event())[:-9]),
    ("nothing", "invalid-json", lambda _: b""),
    ("10 MB", "too-large", lambda world: envelope({**world.event(), "padding": "x" * 10_000_000})),
    ("deep nesting", "too-deep", lambda _: b'{"events":' + b"[" * 400_000 + b"]" * 400_000 + b"}"),
    ("100 levels", "too-deep", lambda world: envelope({**world.event(), "deep": json.loads("[" * 100 + "]" * 100)})),
    ("NaN", "non-finite-number", lambda world: envelope(world.event(size=float("nan")))),
    ("duplicate keys", "duplicate-key", lambda world: duplicate_keys(world.event())),
    ("a short digest", "invalid-digest", lambda world: envelope(world.event(digest="sha256:" + "a" * 63))),
    ("a long digest", "invalid-digest", lambda world: envelope(world.event(digest="sha256:" + "a" * 65))),
    ("a repository that climbs", "invalid-repository", lambda world: envelope(world.event(repository="team/../../etc"))),
    ("another registry's host", "host-mismatch", lambda world: envelope({**world.event(), "request": {"host": "evil.example"}})),
    ("no events", "no-events", lambda _: b'{"event": []}'),
]


@pytest.mark.parametrize(("reason", "body"), [each[1:] for each in BODIES], ids=[each[0] for each in BODIES])
def test_a_body_that_cannot_be_taken_is_recorded_with_its_reason(world: World, reason: str, body: Callable[[World], bytes]) -> None:
    """It is answered 202, so that its sender does not repeat it for ever, and is a row of the inbox with the reason."""
    sent = body(world)
    row = world.rejected(sent)
    assert row["reason"] == reason
    assert row["body_bytes"] == len(sent)
    assert row["excerpt"] == sent[:4096]


def test_a_bad_event_does_not_take_its_neighbours_with_it(world: World) -> None:
    """Of three events in a body, the one in the middle is rejected and the others are judged."""
    names = [world.good(), world.good()]
    first, last = (push_event(world.registry.host, *each) for each in names)
    status, answer = deliver(world.daemon, envelope(first, world.event(digest="sha256:zz"), last))
    assert (status, answer["accepted"], answer["rejected"]) == (202, 2, 1)
    assert [world.attached(repository, image)["outcome"] for repository, image in names] == ["pass", "pass"]


def test_a_manifest_of_ten_thousand_layers_is_not_read(world: World) -> None:
    """Its verdict is `unknown` and says why; no layer was asked for."""
    layer = build_layer({"app/name": "many"})
    image = build_image([layer] * 10_000, config=USER)
    world.registry.put("bad/many", image)
    verdict = world.judged("bad/many", image)
    assert verdict["outcome"] == "unknown"
    assert "10000 layers" in verdict["sections"]["packages"]["reason"]
    assert not world.registry.saw("GET", f"/v2/bad/many/blobs/{layer.digest}")


def unreadable(verdict: dict[str, Any]) -> dict[str, str]:
    """The sections of a verdict that are not whole, with their reasons."""
    return {name: section["reason"] for name, section in verdict["sections"].items() if section["state"] in {"partial", "missing"}}


def test_a_blob_that_is_not_what_its_digest_says_is_not_believed(world: World) -> None:
    """The registry serves one flipped bit: the verdict is `unknown`, and no fact of the layer is kept."""
    layer = build_layer({"app/name": "corrupt"})
    image = build_image([layer], config=USER)
    world.registry.put("bad/corrupt", image)
    world.registry.fault(method="GET", path=f"/v2/bad/corrupt/blobs/{layer.digest}", times=100, corrupt=True)
    verdict = world.judged("bad/corrupt", image)
    world.registry.heal()
    assert verdict["outcome"] == "unknown"
    assert layer.digest in unreadable(verdict)["packages"]
    assert rows(world.daemon, "SELECT id FROM layer WHERE digest = ?", layer.digest) == []


WHOLE = gzip.compress(tar_header("app/data", 4096) + bytes(range(256)) * 16 + bytes(1024), mtime=0)
BROKEN: list[tuple[str, bytes]] = [
    ("not a tar", gzip.compress(b"This is a letter to nobody. " * 4096, mtime=0)),
    ("not even compressed", b"This is a letter to nobody. " * 4096),
    ("truncated gzip", WHOLE[: len(WHOLE) // 2]),
    ("gzip with another checksum", WHOLE[:-8] + bytes(8)),
    ("a tar that ends in a file", gzip.compress(tar_header("app/data", 1_000_000) + bytes(512), mtime=0)),
]


@pytest.mark.parametrize("raw", [each[1] for each in BROKEN], ids=[each[0] for each in BROKEN])
def test_a_layer_that_cannot_be_read_makes_the_verdict_unknown(world: World, raw: bytes, request: pytest.FixtureRequest) -> None:
    """Every section that rests on layers says which layer, and why; the verdict is no `pass`."""
    repository = f"bad/{request.node.callspec.id.replace(' ', '-')}"
    image = build_image([layer_of(raw)], config=USER)
    world.registry.put(repository, image)
    verdict = world.judged(repository, image)
    assert verdict == world.attached(repository, image)
    assert verdict["outcome"] == "unknown"
    assert {"packages", "files", "secrets"} <= unreadable(verdict).keys() <= set(SECTIONS)
    assert all(unreadable(verdict).values())


@pytest.fixture(scope="session")
def bomb() -> bytes:
    """2 GiB of zeros as one file of a tar, in gzip of about 2 MB: 32 members of 64 MiB each, after the one with the header."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as member:
        for _ in range(64):
            member.write(bytes(MIB))
    header = gzip.compress(tar_header("app/zeros", 2 * GIB), mtime=0)
    return header + packed.getvalue() * 32 + gzip.compress(bytes(1024), mtime=0)


def test_a_bomb_is_read_to_its_end_in_little_memory(world: World, bomb: bytes) -> None:
    """2 GiB of zeros in 2 MB: unpacked as it streams, nothing of it is kept."""
    assert len(bomb) < 3_000_000
    image = build_image([layer_of(bomb)], config=USER)
    world.registry.put("bad/bomb", image)
    known = set(world.peaks_kib)
    verdict = world.judged("bad/bomb", image)
    assert verdict["outcome"] == "pass"
    assert not unreadable(verdict).keys() & {"packages", "files", "secrets"}
    inspection = world.daemon.get(f"/api/v1/images/{image.digest}/inspection")
    assert inspection["layers"][0]["plain_bytes"] > 2 * GIB
    assert world.peaks_kib.keys() - known, "the worker that read it was seen"
