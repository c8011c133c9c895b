"""Whole images through the inspector: one inventory, whatever its layers are wrapped in and whatever is wrong with them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from tests.doubles.image_sources import MemoryImages, gzipped, tar_of
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.inspector import Inspector, StoodStillError
from watcher.inspection.settings import InspectionSettings
from watcher.kit.standstill import Standstill
from watcher.model.digest import digest_of
from watcher.model.errors import InvalidManifestError, NotFoundError
from watcher.model.image import Descriptor, Manifest
from watcher.model.inventory import Inventory
from watcher.model.verdict import INSPECTED, SectionState
from watcher.testing.images import BuiltImage, Compression, Entry, Layer, build_image, build_index, build_layer

pytestmark = pytest.mark.timeout(60)

KEY = "AKIA" + "XGAI3MCJB5MCVSQO"  # made up, and split so that no scanner takes this file for a leak
STATUS = "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: amd64\n\n"
DPKG = "var/lib/dpkg/status"


def layers(compression: Compression) -> list[Layer]:
    base: Mapping[str, Any] = {
        "usr/lib/os-release": "ID=debian\nVERSION_ID=12\n",
        "etc/os-release": Entry(link="../usr/lib/os-release"),
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        DPKG: STATUS.format("libc6", "2.36") + STATUS.format("perl", "5.36"),
        "usr/bin/su": Entry(content=b"\x7fELF\0", mode=0o4755),
        "etc/profile": "umask 022\n",
        "etc/profile.d/key.sh": f"KEY={KEY}\n",
        "tmp/build.key": KEY,
    }
    app: Mapping[str, Any] = {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n",
        DPKG: STATUS.format("libc6", "2.36") + STATUS.format("git", "2.39"),
        "tmp/.wh.build.key": "",
        "srv/node_modules/left-pad/package.json": '{"name": "left-pad", "version": "1.3.0", "license": "WTFPL"}',
    }
    return [build_layer(base, compression=compression), build_layer(app, compression=compression)]


CONFIG: dict[str, Any] = {"User": "app", "Env": ["PATH=/bin", f"AWS_ACCESS_KEY_ID={KEY}"], "ExposedPorts": {"22/tcp": {}}}
HISTORY: list[dict[str, Any]] = [
    {"created_by": "FROM base"},
    {"created_by": "USER app", "empty_layer": True},
    {"created_by": "COPY . /"},
]


@pytest.fixture
async def inspector() -> AsyncIterator[Inspector]:
    async with Inspector(InspectionSettings(workers=2), cache=MemoryLayerCache(), salt=b"salt") as running:
        yield running


async def inspect(inspector: Inspector, image: BuiltImage, images: MemoryImages | None = None) -> Inventory:
    images = images or MemoryImages()
    return await inspector.inspect(images, images.add(image))


def states(found: Inventory, *, but: tuple[str, ...] = ("base", "vulnerabilities", "provenance", "drift")) -> dict[str, str]:
    """The sections that are not complete, of those that an inspection fills."""
    return {
        name: section.state.value
        for name, section in found.sections.items()
        if name not in but and section.state is not SectionState.COMPLETE
    }


async def test_an_image_becomes_an_inventory(inspector: Inspector) -> None:
    """Everything of one image: who it runs as, what is in it, who brought it, what leaks."""
    image = build_image(layers("gzip"), config=CONFIG, history=HISTORY)
    found = await inspect(inspector, image)
    assert (found.digest, found.platform, found.effective_uid) == (image.digest, "linux/amd64", 1000)
    assert (found.distro.id, found.distro.version) == ("debian", "12")
    assert [(each.record.name, each.layer) for each in found.packages] == [("left-pad", 1), ("libc6", 0), ("git", 1)]
    assert [user.name for user in found.users] == ["root", "app"]
    assert dict(zip(found.files.path, found.files.mode, strict=True))["usr/bin/su"] == 0o4755
    digests, texts = found.files.sha256, found.files.content
    assert {found.files.path[row]: digest for row, digest in digests.items()} == {"usr/bin/su": sha256(b"\x7fELF\0").digest()}
    assert {found.files.path[row]: text for row, text in texts.items()} == {"etc/profile": "umask 022\n"}
    assert "tmp/build.key" not in found.files.path
    where = [(each.where, each.hit.path, each.layer, each.present_in_final) for each in found.secrets]
    assert where == [
        ("env", "AWS_ACCESS_KEY_ID", None, True),
        ("file", "etc/profile.d/key.sh", 0, True),
        ("file", "tmp/build.key", 0, False),
    ]
    assert [(layer.state, layer.created_by) for layer in found.layers] == [("inspected", "FROM base"), ("inspected", "COPY . /")]
    assert tuple(found.sections) == INSPECTED
    assert states(found) == {}
    assert found.sections["base"].state is SectionState.MISSING
    assert KEY not in repr(found)


async def test_the_same_image_in_any_wrapping_gives_equal_facts(inspector: Inspector) -> None:
    """OCI with gzip, Docker schema 2, Zstandard, and not compressed at all."""
    built = [
        build_image(layers("gzip"), config=CONFIG),
        build_image(layers("gzip"), config=CONFIG, docker=True),
        build_image(layers("zstd"), config=CONFIG),
        build_image(layers("none"), config=CONFIG),
    ]
    first, *others = [await inspect(inspector, image) for image in built]
    for other in others:
        assert other.files == first.files
        assert other.packages == first.packages
        assert other.users == first.users
        assert other.distro == first.distro
        assert [replace(each, layer_digest=None) for each in other.secrets] == [
            replace(each, layer_digest=None) for each in first.secrets
        ]


async def test_facts_are_the_same_whether_they_were_known_or_not(inspector: Inspector) -> None:
    """Only `cached` of a layer tells; the revision is a function of what was found."""
    images = MemoryImages()
    image = build_image(layers("gzip"), config=CONFIG)
    first, second = await inspect(inspector, image, images), await inspect(inspector, image, images)
    assert len(images.poured) == 2
    assert [layer.cached for layer in second.layers] == [True, True]
    assert replace(second, layers=first.layers) == first


@pytest.mark.parametrize(
    ("user", "uid"), [("", 0), ("0", 0), ("1000:1000", 1000), ("app", 1000), ("app:nobody", None), ("who", None)]
)
async def test_the_user_is_that_of_the_images_own_passwd(inspector: Inspector, user: str, uid: int | None) -> None:
    """A name that it does not know is nobody we could name."""
    found = await inspect(inspector, build_image(layers("gzip"), config={"User": user}))
    assert found.effective_uid == uid


async def test_an_image_without_layers_is_complete(inspector: Inspector) -> None:
    """There is nothing in it, and that is all there is to know."""
    found = await inspect(inspector, build_image([]))
    assert (len(found.files), found.packages, states(found)) == (0, (), {})


def damaged(plain: bytes, raw: bytes | None = None) -> Layer:
    return Layer(raw=gzipped(plain) if raw is None else raw, diff_id=digest_of(plain))


SOUND = tar_of(("file", b"content"))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (damaged(b"no tar at all" * 100), "no tar archive"),
        (damaged(SOUND, gzipped(SOUND)[:-20]), "ends unfinished"),
        (damaged(SOUND, gzipped(SOUND)[:-8] + bytes(8)), "checksum"),
        (damaged(SOUND[:515]), "archive is damaged"),
    ],
    ids=["not-a-tar", "truncated", "bad-crc", "cut"],
)
async def test_a_damaged_layer_makes_sections_incomplete(inspector: Inspector, layer: Layer, reason: str) -> None:
    """Partial beside a sound layer, with the layer named; what the sound one holds is known."""
    sound = build_layer({"etc/os-release": "ID=alpine\n"})
    found = await inspect(inspector, build_image([sound, layer]))
    assert states(found) == dict.fromkeys(("packages", "files", "secrets", "users", "distro", "declared"), "partial")
    assert reason in found.sections["packages"].reason
    assert found.sections["packages"].skipped[0].startswith("layer 1 (")
    assert found.distro.id == "alpine"


async def test_when_no_layer_can_be_read_sections_are_missing(inspector: Inspector) -> None:
    """Nothing is known, and nothing is taken for an image that is empty."""
    found = await inspect(inspector, build_image([damaged(b"no tar at all" * 100)]))
    assert states(found) == dict.fromkeys(("packages", "files", "secrets", "users", "distro", "declared"), "missing")
    assert [layer.state for layer in found.layers] == ["failed"]


async def test_bytes_after_the_layer_concern_the_secrets_alone(inspector: Inspector) -> None:
    """They are in no file of the image, but they can be pulled."""
    found = await inspect(inspector, build_image([damaged(SOUND, gzipped(SOUND) + b"garbage")]))
    assert states(found) == {"secrets": "partial"}


def with_layer_type(image: BuiltImage, media_type: str) -> BuiltImage:
    raw = image.raw.replace(b"application/vnd.oci.image.layer.v1.tar+gzip", media_type.encode(), 1)
    return replace(image, raw=raw)


async def test_a_layer_of_an_unknown_type_is_read_and_doubted(inspector: Inspector) -> None:
    """Its name exempts nothing, and some runtimes may take it for something else."""
    image = with_layer_type(build_image([build_layer({"a": "a"}), build_layer({"b": "b"})]), "application/vnd.example.weights.v1")
    found = await inspect(inspector, image)
    assert [layer.state for layer in found.layers] == ["inspected", "inspected"]
    assert found.files.path == ["a", "b"]
    assert found.sections["files"].state is SectionState.PARTIAL
    assert "application/vnd.example.weights.v1" in found.sections["files"].reason


@pytest.mark.parametrize("held", [True, False])
async def test_a_foreign_layer_is_read_where_it_is_held(inspector: Inspector, held: bool) -> None:
    """Runtimes ask the registry too; what is not there is named, and the others are read."""
    images = MemoryImages()
    foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    image = with_layer_type(build_image([build_layer({"a": "a"}), build_layer({"b": "b"})]), foreign)
    manifest = images.add(image)
    assert isinstance(manifest.content, Manifest)
    if not held:
        del images.blobs[manifest.content.layers[0].digest]
    found = await inspector.inspect(images, manifest)
    assert [layer.state for layer in found.layers] == ["inspected" if held else "skipped", "inspected"]
    assert found.files.path == (["a", "b"] if held else ["b"])
    assert found.sections["files"].state is (SectionState.COMPLETE if held else SectionState.PARTIAL)
    assert ("non-distributable" in found.sections["files"].reason) is not held


async def test_budgets_are_results() -> None:
    """A layer, an image, a number of files beyond the limit: sections say so, nothing is raised."""
    big = build_image([build_layer({f"f{number}": "x" * 1000 for number in range(40)}), build_layer({"last": ""})])
    for settings, expected in (
        (InspectionSettings(max_layer="20KiB"), "unpacked layer has more than 20480 bytes"),
        (InspectionSettings(max_image="1KiB"), "inspection.max_image is 1024"),
        (InspectionSettings(max_files=10), "more than 10 entries"),
        (InspectionSettings(max_files=40), "more than inspection.max_files allows"),
    ):
        async with Inspector(settings, cache=MemoryLayerCache(), salt=b"salt") as inspector:
            found = await inspect(inspector, big)
        assert found.sections["files"].state in {SectionState.PARTIAL, SectionState.MISSING}
        assert expected in found.sections["files"].reason


async def test_what_is_missing_in_the_registry_is_raised(inspector: Inspector) -> None:
    """A configuration or a layer that is not there, and an index, which has no layers."""
    image = build_image(layers("gzip"))
    images = MemoryImages()
    manifest = images.add(image)
    content = manifest.content
    assert isinstance(content, Manifest)
    for gone in (content.layers[1], content.config):
        held = images.blobs.pop(gone.digest)
        with pytest.raises(NotFoundError):
            await inspector.inspect(images, manifest)
        images.blobs[gone.digest] = held
    with pytest.raises(InvalidManifestError, match="index"):
        await inspect(inspector, build_index([image]))


async def test_a_configuration_that_is_none_is_refused(inspector: Inspector) -> None:
    """Nothing can be said about an image whose configuration is no JSON."""
    images = MemoryImages()
    manifest = images.add(build_image([]))
    assert isinstance(manifest.content, Manifest)
    raw = b"not json"
    config = Descriptor(media_type=manifest.content.config.media_type, digest=digest_of(raw), size=len(raw))
    images.blobs[config.digest] = raw
    with pytest.raises(InvalidManifestError):
        await inspector.inspect(images, replace(manifest, content=replace(manifest.content, config=config)))


class Stalling(MemoryImages):
    """Gives the first bytes of a layer, and then nothing; meanwhile `standstill` hears of one, or not."""

    def __init__(self, standstill: Standstill, seconds: float) -> None:
        super().__init__()
        self._standstill, self._seconds = standstill, seconds

    async def pour(self, descriptor: Descriptor, sink: int, *, timeout_seconds: float) -> None:
        self._standstill.seconds += self._seconds
        await asyncio.sleep(timeout_seconds + 60)


async def test_an_image_is_not_to_blame_for_the_time_in_which_the_daemon_stood_still() -> None:
    """A layer that ran out of its time is a problem of the image, but for that."""
    standstill = Standstill()
    settings = InspectionSettings(workers=2, timeout="1s")
    async with Inspector(settings, cache=MemoryLayerCache(), salt=b"salt", standstill=standstill) as inspector:
        image = build_image(layers("gzip"))
        with pytest.raises(StoodStillError):
            await inspect(inspector, image, Stalling(standstill, 900.0))
        found = await inspect(inspector, image, Stalling(standstill, 0.0))
    assert states(found)["files"] == "missing"
