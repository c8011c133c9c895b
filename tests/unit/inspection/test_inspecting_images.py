"""Whole images out of a registry, through confined workers: what is said of them, and of what could not be looked at."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.doubles.image_sources import MemoryBases
from tests.doubles.rpm_databases import hash_database, header, ndb_database, sqlite_database
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.inspector import Inspector
from watcher.inspection.settings import InspectionSettings
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import InvalidManifestError, NotFoundError
from watcher.model.inventory import Inventory
from watcher.model.reference import Reference, RepositoryName, Tag
from watcher.model.verdict import SectionState
from watcher.registry.access import RegistryClients
from watcher.registry.settings import AnonymousAuth, RegistrySettings
from watcher.testing.faults import Fault
from watcher.testing.images import BuiltImage, Compression, Entry, build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = pytest.mark.enable_socket

APP, BASE = RepositoryName("team/app"), RepositoryName("library/base")
KEY_ID = "AKIAZ7QX4M2NB5RT8WLC"
PASSWORD = "hunter7-Zk2pW9xQ"
STATUS = "Package: {}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n"
BASE_FILES: Mapping[str, bytes | str | Entry] = {
    "etc": Entry(directory=True, mode=0o755),
    "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n",
    "etc/os-release": Entry(link="../usr/lib/os-release"),
    "usr/lib/os-release": "ID=debian\nVERSION_ID=12\n",
    "var/lib/dpkg/status": STATUS.format("curl"),
}
APP_FILES: Mapping[str, bytes | str | Entry] = {
    "app/.env": f"A=1\nID={KEY_ID}\n",
    "var/lib/dpkg/status": STATUS.format("curl") + STATUS.format("dash"),
}


@dataclass(slots=True, kw_only=True)
class Room:
    """A registry, and the inspector that reads from it."""

    registry: MemoryRegistry
    registries: RegistryClients
    inspector: Inspector
    cache: MemoryLayerCache
    bases: MemoryBases
    counted: list[str] = field(default_factory=list)

    async def inspect(self, image: BuiltImage, repository: RepositoryName = APP) -> Inventory:
        put_image(self.registry, repository, image)
        images = self.registries.images(self.registry.host, repository)
        return await self.inspector.inspect(images, await images.manifest(image.digest))

    def blob_requests(self) -> int:
        return self.registry.requests["GET blobs"]


@asynccontextmanager
async def opened(*, trusted: Callable[[Reference], bool] | None = None, **settings: Any) -> AsyncIterator[Room]:
    counted: list[str] = []
    cache, bases = MemoryLayerCache(), MemoryBases()
    async with (
        serve_registry() as registry,
        RegistryClients.of([RegistrySettings(host=registry.host, auth=AnonymousAuth())]) as registries,
        Inspector(
            InspectionSettings(**{"workers": 2, **settings}),
            cache=cache,
            bases=bases,
            salt=b"salt",
            fetch_base=registries.fetch_configured,
            trusted=lambda: trusted,
            counted=counted.append,
        ) as inspector,
    ):
        yield Room(registry=registry, registries=registries, inspector=inspector, cache=cache, bases=bases, counted=counted)


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with opened() as room:
        yield room


def image(compression: Compression = "gzip", *, docker: bool = False, **built: Any) -> BuiltImage:
    layers = [build_layer(files, compression=compression) for files in (BASE_FILES, APP_FILES)]
    return build_image(layers, docker=docker, config={"User": "app", **built.pop("config", {})}, **built)


def rewritten(built: BuiltImage, layers: list[dict[str, Any]]) -> BuiltImage:
    """The same image with further layers, which no builder of ours makes."""
    body = msgspec.json.decode(built.raw)
    body["layers"] += layers
    return BuiltImage(media_type=built.media_type, raw=msgspec.json.encode(body), blobs=built.blobs)


def installed(inventory: Inventory) -> list[tuple[str, int]]:
    return [(package.record.name, package.layer) for package in inventory.packages]


async def test_an_image_is_the_same_in_every_format(room: Room) -> None:
    """OCI or Docker, gzip, zstd or not compressed: equal packages, files, users and secrets."""
    built = [image(), image(docker=True), image("zstd"), image("none"), image("none", docker=True)]
    inventories = [await room.inspect(each) for each in built]
    first = inventories[0]
    for other in inventories[1:]:
        assert (other.packages, other.files, other.users, other.distro) == (first.packages, first.files, first.users, first.distro)
        assert [secret.hit for secret in other.secrets] == [secret.hit for secret in first.secrets]
    assert installed(first) == [("curl", 0), ("dash", 1)]
    assert (first.distro.id, first.effective_uid, first.platform) == ("debian", 1000, "linux/amd64")
    assert [(secret.hit.path, secret.hit.line, secret.layer) for secret in first.secrets] == [("app/.env", 2, 1)]
    assert [layer.state for layer in first.layers] == ["inspected", "inspected"]
    for section in ("packages", "files", "secrets", "users", "distro", "config"):
        assert first.sections[section].state is SectionState.COMPLETE, section


async def test_an_image_seen_before_is_not_read_again(room: Room) -> None:
    """The second time only its configuration is fetched, and the inventory is the same but for where it came from."""
    first = await room.inspect(image())
    before = room.blob_requests()
    second = await room.inspect(image())
    assert room.blob_requests() == before + 1
    assert room.counted == ["miss", "miss", "hit", "hit"]
    assert [layer.cached for layer in first.layers] == [False, False]
    assert [layer.cached for layer in second.layers] == [True, True]
    assert (second.packages, second.files, second.secrets) == (first.packages, first.files, first.secrets)
    assert second.facts_revision == first.facts_revision


async def test_a_layer_that_lies_about_its_digest_is_a_failed_layer(room: Room) -> None:
    """Nothing of it counts and nothing is kept of it, so that the next inspection reads it again."""
    built = image()
    base = digest_of(build_layer(BASE_FILES).raw)
    room.registry.faults.add(Fault(method="GET", path=f".*/blobs/{base}", corrupt=True))
    inventory = await room.inspect(built)
    assert [layer.state for layer in inventory.layers] == ["failed", "inspected"]
    assert "etc/passwd" not in inventory.files.path
    packages = inventory.sections["packages"]
    assert (packages.state, packages.skipped) == (SectionState.PARTIAL, (f"layer 0 ({base[7:19]}): digest-mismatch",))
    assert not [digest for digest in room.cache.kept if digest == base]
    again = await room.inspect(built)
    assert [layer.state for layer in again.layers] == ["inspected", "inspected"]
    assert again.facts_revision != inventory.facts_revision


async def test_a_download_that_is_cut_goes_on_where_it_ended(room: Room) -> None:
    """The layer is read to its end in one worker."""
    noise = build_layer({"noise": os.urandom(300_000)})
    room.registry.faults.add(Fault(method="GET", path=f".*/blobs/{noise.digest}", cut_after=100_000))
    inventory = await room.inspect(build_image([noise]))
    assert [layer.state for layer in inventory.layers] == ["inspected"]
    ranges = [seen.range for seen in room.registry.seen if noise.digest in seen.path]
    assert (len(ranges), ranges[0]) == (2, "")
    assert ranges[1].startswith("bytes=")


async def test_layers_that_are_not_read_are_named(room: Room) -> None:
    """One that registries do not hold, and one that is no layer of a file system."""
    other = b'{"some":"data"}'
    built = image()
    room.registry.content.writable(APP).put_blob(other, digest_of(other))
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest_of(b"windows"),
        "size": 7,
        "urls": ["https://example.com/layer"],
    }
    strange = {"mediaType": "application/vnd.example.data+json", "digest": digest_of(other), "size": len(other)}
    inventory = await room.inspect(rewritten(built, [foreign, strange]))
    assert [layer.state for layer in inventory.layers] == ["inspected", "inspected", "skipped", "skipped"]
    files = inventory.sections["files"]
    assert files.state is SectionState.PARTIAL
    assert [name.partition(": ")[2] for name in files.skipped] == ["non-distributable", "application/vnd.example.data+json"]
    assert installed(inventory) == [("curl", 0), ("dash", 1)]


async def test_an_image_none_of_whose_layers_is_a_tar_is_missing_everything(room: Room) -> None:
    """A section of which nothing could be seen is missing, not partial."""
    broken = build_layer({"a": b"x"})
    raw = b"no archive at all" * 100
    built = build_image([type(broken)(raw=raw, diff_id=broken.diff_id)])
    inventory = await room.inspect(built)
    assert [layer.state for layer in inventory.layers] == ["failed"]
    assert inventory.sections["packages"].state is SectionState.MISSING
    assert inventory.sections["config"].state is SectionState.COMPLETE


async def test_an_image_without_layers_is_complete(room: Room) -> None:
    """There is nothing in it, and that is known."""
    inventory = await room.inspect(build_image())
    assert inventory.sections["files"].state is SectionState.COMPLETE
    assert len(inventory.files) == 0


async def test_a_database_that_cannot_be_read_makes_packages_partial(room: Room) -> None:
    """An image of packages that nobody reads here is not one without packages."""
    inventory = await room.inspect(build_image([build_layer({"var/db/xbps/pkgdb-0.38.plist": b"<plist/>"})]))
    packages = inventory.sections["packages"]
    assert (packages.state, packages.skipped) == (SectionState.PARTIAL, ("var/db/xbps",))


@pytest.mark.parametrize("kind", [sqlite_database, ndb_database, hash_database])
async def test_a_database_of_rpm_is_read_in_the_sandbox(room: Room, kind: Callable[..., bytes]) -> None:
    """Without a file or a library of its own."""
    written = kind(
        header(name="a", version="1", release="2", vendor="x" * 9000), header(name="b", version="1", release="2", epoch=3)
    )
    inventory = await room.inspect(build_image([build_layer({"usr/lib/sysimage/rpm/Packages.db": written})]))
    assert [(each.record.name, each.record.version) for each in inventory.packages] == [("a", "1-2"), ("b", "3:1-2")]
    assert inventory.sections["packages"].state is SectionState.COMPLETE


def children_of(pid: int) -> list[int]:
    """The oldest first."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def annotations(room: Room, digest: Digest | None = None) -> dict[str, str]:
    named = {"org.opencontainers.image.base.name": f"{room.registry.host}/{BASE}:1"}
    return {**named, "org.opencontainers.image.base.digest": digest} if digest else named


async def test_an_annotated_base_is_known_once_its_layers_were_compared(room: Room) -> None:
    """By digest or by tag, and through an index."""
    base = build_image([build_layer(BASE_FILES)])
    put_image(room.registry, BASE, build_index([base, build_image(platform="linux/arm64")]), "1")
    for digest in (None, base.digest):
        inventory = await room.inspect(image(annotations=annotations(room, digest)))
        assert (inventory.base.known, inventory.base.how, inventory.base.layer_count) == (True, "annotation", 1)
        assert inventory.sections["base"].state is SectionState.COMPLETE
        assert [package.from_base for package in inventory.packages] == [True, False]


async def test_an_annotated_base_with_other_layers_is_refused(room: Room) -> None:
    """An author's claim alone makes nothing the base's."""
    put_image(room.registry, BASE, build_image([build_layer({"other": b""})]), "1")
    inventory = await room.inspect(image(annotations=annotations(room)))
    assert not inventory.base.known
    section = inventory.sections["base"]
    assert section.state is SectionState.MISSING
    assert "has other layers than this image begins with" in section.reason


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("docker.io/library/debian:12", "is in no configured registry"),
        ("not a name", "has no valid name"),
        ("", "no annotation names a base image"),
    ],
)
async def test_a_base_that_cannot_be_compared_is_unknown(room: Room, name: str, why: str) -> None:
    """The reason is in the section, and no other host is asked."""
    inventory = await room.inspect(image(annotations={"org.opencontainers.image.base.name": name}))
    assert why in inventory.sections["base"].reason


async def test_a_base_that_its_registry_does_not_have_is_unknown(room: Room) -> None:
    """That it could not be fetched is the reason."""
    inventory = await room.inspect(image(annotations=annotations(room)))
    assert "could not be fetched (not-found)" in inventory.sections["base"].reason


async def test_a_base_is_recognised_by_layers_seen_before(room: Room) -> None:
    """In another repository; the image's own earlier versions are no base of it."""
    digest, layers = digest_of(b"base"), [build_layer(BASE_FILES).digest]
    own = Reference(registry=room.registry.host, repository=APP, digest=digest)
    other = Reference(registry=room.registry.host, repository=BASE, digest=digest)
    room.bases.seen = [(layers, own)]
    assert not (await room.inspect(image())).base.known
    room.bases.seen = [(layers, own), (layers, other)]
    base = (await room.inspect(image())).base
    assert (base.known, base.how, base.digest, base.layer_count) == (True, "layers", digest, 1)


async def test_only_trusted_images_are_recognised_as_bases() -> None:
    """Where trust was configured, what anybody pushed is no base."""
    async with opened(trusted=lambda reference: reference.tag == Tag("released")) as room:
        reference = Reference(registry=room.registry.host, repository=BASE, tag=Tag("1"), digest=digest_of(b"1"))
        room.bases.seen = [([build_layer(BASE_FILES).digest], reference)]
        assert not (await room.inspect(image())).base.known


async def test_secrets_of_the_configuration_are_nowhere_in_the_inventory(room: Room) -> None:
    """They are named, and every place that repeats them is hidden."""
    inventory = await room.inspect(
        image(
            config={
                "Env": [f"DB_PASSWORD={PASSWORD}", "PATH=/bin"],
                "Labels": {"note": f"key {KEY_ID}", "team": "app"},
                "Cmd": ["run", f"--password={PASSWORD}"],
            },
            history=[{"created_by": f"RUN echo {PASSWORD}"}, {"created_by": f"RUN login {KEY_ID}"}],
            annotations={"org.example.note": f"made with {PASSWORD}"},
        )
    )
    found = {(secret.where, secret.hit.path) for secret in inventory.secrets}
    assert {("env", "DB_PASSWORD"), ("label", "note"), ("file", "app/.env")} <= found
    encoded = msgspec.json.encode(inventory)
    assert PASSWORD.encode() not in encoded
    assert KEY_ID.encode() not in encoded
    assert inventory.config.labels["team"] == "app"


async def test_a_worker_that_crashes_is_a_failed_layer_with_its_reason(room: Room) -> None:
    """The image is judged on what is left, and the next worker comes up as ever."""
    noise = build_layer({"noise": os.urandom(200_000)})
    room.registry.faults.add(Fault(method="GET", path=f".*/blobs/{noise.digest}", stall_seconds=30))
    built = build_image([noise])
    process = room.inspector._zygote._process
    assert process is not None
    zygote = process.pid
    async with asyncio.TaskGroup() as group:
        inspecting = group.create_task(room.inspect(built), name="inspect")
        while not any(noise.digest in seen.path for seen in room.registry.seen) or not (pids := children_of(zygote)):
            await asyncio.sleep(0.01)
        os.kill(pids[-1], signal.SIGSEGV)
    inventory = inspecting.result()
    assert [layer.state for layer in inventory.layers] == ["failed"]
    assert "SIGSEGV" in inventory.sections["files"].reason
    assert not room.cache.kept
    again = await room.inspect(built)
    assert [layer.state for layer in again.layers] == ["inspected"]


async def test_a_layer_that_needs_too_much_memory_is_a_failed_layer() -> None:
    """The others are read, and which one it was is said."""
    async with opened(worker_memory="16MiB") as room:
        built = build_image([build_layer({"var/lib/dpkg/status": bytes(31 << 20)}), build_layer({"a": b"x"})])
        inventory = await room.inspect(built)
    assert [layer.state for layer in inventory.layers] == ["failed", "inspected"]
    assert inventory.sections["packages"].skipped[0].endswith(": over-memory")


async def test_an_image_beyond_its_limits_is_cut_off_and_said() -> None:
    """More entries or bytes than are allowed: what was seen stands, the sections are partial, and nothing is kept of it."""
    async with opened(max_files=4, max_layer="1MiB") as room:
        layers = [build_layer({str(number): b"" for number in range(9)}), build_layer({"big": bytes(2 << 20)})]
        inventory = await room.inspect(build_image(layers))
    files = inventory.sections["files"]
    assert files.state is SectionState.PARTIAL
    assert {name.rpartition(": ")[2] for name in files.skipped} == {"over-budget"}
    assert not room.cache.kept


async def test_a_layer_that_is_larger_as_stored_than_it_may_be_is_not_fetched() -> None:
    """Nor is any of an image that is larger in all than it may be."""
    noise = build_layer({"noise": os.urandom(50_000)})
    beyond: list[dict[str, Any]] = [{"max_layer": "20KiB"}, {"max_image": "20KiB"}]
    for limits in beyond:
        async with opened(**limits) as room:
            inventory = await room.inspect(build_image([noise]))
            assert [layer.state for layer in inventory.layers] == ["failed"]
            assert inventory.sections["files"].skipped[0].endswith(": too-large")
            assert room.blob_requests() == 1


async def test_an_index_is_not_inspected(room: Room) -> None:
    """One of its images is."""
    with pytest.raises(InvalidManifestError):
        await room.inspect(build_index([image()]))


async def test_a_layer_that_is_gone_is_raised(room: Room) -> None:
    """An image that its registry no longer has whole is not judged on the rest."""
    built = image()
    room.registry.faults.add(Fault(method="GET", path=f".*/blobs/{digest_of(build_layer(APP_FILES).raw)}", status=404, times=9))
    with pytest.raises(NotFoundError):
        await room.inspect(built)
