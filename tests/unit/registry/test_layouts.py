"""Images in files."""

import asyncio
import gzip
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from tests.doubles.attaching import attached
from tests.doubles.image_files import layout, write_folder, write_tar
from watcher.model.digest import Digest, digest_of
from watcher.model.errors import (
    ConfigurationError,
    DigestMismatchError,
    InvalidManifestError,
    NotFoundError,
    TooLargeError,
    WatcherError,
)
from watcher.model.image import DOCKER_MANIFEST, OCI_INDEX, Descriptor, Index, Manifest
from watcher.model.reference import Tag
from watcher.model.sbom_types import SPDX_JSON
from watcher.registry.layouts import LocalImage, LocalImages, open_local, parse_local
from watcher.testing.images import build_image, build_index, build_layer

Drain = Callable[..., Awaitable[bytes]]
LAYER = build_layer({"app": b"hello", "etc/passwd": "root:x:0:0::/:/bin/sh\n"})
PLAIN = build_layer({"app": b"plain"}, compression="none")
IMAGE = build_image([LAYER, PLAIN])
OTHER = build_image([PLAIN])


def docker_files(config: bytes | None = None) -> dict[str, bytes]:
    body = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    plains = [gzip.decompress(LAYER.raw), PLAIN.raw]
    body["rootfs"]["diff_ids"] = [digest_of(plain) for plain in plains]  # type: ignore[index]  # a literal's type is too wide
    raw = config or json.dumps(body).encode()
    name = hashlib.sha256(raw).hexdigest()
    listing = [{"Config": f"{name}.json", "RepoTags": ["team/app:v1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]
    return {
        "manifest.json": json.dumps(listing).encode(),
        f"{name}.json": raw,
        "a/layer.tar": plains[0],
        "b/layer.tar": plains[1],
    }


async def opened(text: str) -> LocalImages:
    image = parse_local(text)
    assert image is not None
    return await open_local(image)


async def content(images: LocalImages) -> Manifest:
    found = (await images.manifest(Tag("latest"))).content
    assert isinstance(found, Manifest)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci:dir", ("oci", "dir", None)),
        ("oci:/a/b:base/debian:12", ("oci", "/a/b", "base/debian:12")),
        ("oci-archive:x.tar:v1", ("oci-archive", "x.tar", "v1")),
        ("docker-archive:x.tar", ("docker-archive", "x.tar", None)),
        ("alpine:3.20", None),
        ("localhost:5000/oci", None),
        ("oci", None),
    ],
)
def test_what_is_local(text: str, expected: tuple[str, str, str | None] | None) -> None:
    """A known word before the first colon makes a local image; everything else is a reference."""
    image = parse_local(text)
    assert (image and (image.kind, str(image.path), image.name)) == expected
    assert image is None or str(image) == text


def test_a_path_is_needed() -> None:
    """`oci:` alone is a mistake, and said so."""
    with pytest.raises(ConfigurationError, match="PATH"):
        parse_local("oci:")


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
async def test_oci_layouts(kind: str, tmp_path: Path, drain: Drain) -> None:
    """A directory and an archive of it give the same image, manifest, configuration and layers."""
    files = layout({"v1": IMAGE, "v2": OTHER})
    path = write_folder(tmp_path / "d", files) if kind == "oci" else write_tar(tmp_path / "a.tar", files)
    images = await opened(f"{kind}:{path}:v1")
    assert images.root == IMAGE.digest
    manifest = await content(images)
    raw = await images.blob(manifest.config, limit_bytes=10_000)
    assert digest_of(raw) == manifest.config.digest
    assert [await drain(images, layer) for layer in manifest.layers] == [LAYER.raw, PLAIN.raw]
    with pytest.raises(TooLargeError):
        await images.blob(manifest.config, limit_bytes=3)


async def test_an_index_and_its_children(tmp_path: Path) -> None:
    """The named entry may be an index; children are found by digest, even without a mediaType of their own."""
    children = (IMAGE, build_image([PLAIN], platform="linux/arm64"))
    write_folder(tmp_path, layout({"multi": build_index(children)}))
    images = await opened(f"oci:{tmp_path}")
    fetched = await images.manifest(images.root)
    assert fetched.media_type == OCI_INDEX
    assert isinstance(fetched.content, Index)
    assert [entry.platform for entry in fetched.content.manifests] == ["linux/amd64", "linux/arm64"]
    child = await images.manifest(fetched.content.manifests[1].digest)
    assert isinstance(child.content, Manifest)


async def test_what_a_layout_lists_beside_an_image_may_be_attached_to_it(tmp_path: Path) -> None:
    """As tools write it that copy an image with its referrers; another that is damaged says nothing of these."""
    sbom, other = attached(IMAGE, SPDX_JSON, b"{}"), build_image([build_layer({"x": "y"})])
    files = layout({"v1": IMAGE, "": sbom, "other": other})
    files[f"blobs/{other.digest.replace(':', '/')}"] = b"damaged"
    images = await open_local(LocalImage(kind="oci", path=write_folder(tmp_path / "layout", files), name="v1"))
    (found,) = await images.referrers(IMAGE.digest)
    assert (found.digest, found.artifact_type) == (sbom.digest, SPDX_JSON)
    assert await images.referrers(sbom.digest) == []


async def test_names_are_listed_when_one_is_needed(tmp_path: Path) -> None:
    """Several images and no name: the error says which there are; a wrong name is not found; a digest is a name too."""
    write_folder(tmp_path, layout({"v2": OTHER, "v1": IMAGE}))
    with pytest.raises(ConfigurationError, match=r"holds 2 images.*v1, v2"):
        await opened(f"oci:{tmp_path}")
    with pytest.raises(NotFoundError, match="'v3'"):
        await opened(f"oci:{tmp_path}:v3")
    assert (await opened(f"oci:{tmp_path}:{OTHER.digest}")).root == OTHER.digest


async def test_docker_archives(tmp_path: Path, drain: Drain) -> None:
    """`docker save` has no manifest: one is made, and its layers are verified by their diff ids."""
    images = await opened(f"docker-archive:{write_tar(tmp_path / 'a.tar', docker_files())}")
    fetched = await images.manifest(Tag("latest"))
    assert (fetched.media_type, fetched.digest) == (DOCKER_MANIFEST, images.root)
    manifest = await content(images)
    assert [layer.digest for layer in manifest.layers] == [LAYER.diff_id, PLAIN.diff_id]
    assert [await drain(images, layer) for layer in manifest.layers] == [gzip.decompress(LAYER.raw), PLAIN.raw]
    assert json.loads(await images.blob(manifest.config, limit_bytes=10_000))["os"] == "linux"
    again = await opened(f"docker-archive:{tmp_path / 'a.tar'}:docker.io/team/app:v1")
    assert again.root == images.root


async def test_docker_archives_with_compressed_and_linked_layers(tmp_path: Path, drain: Drain) -> None:
    """A compressed layer is named by its own bytes, and an old archive's link leads to the layer it names."""
    files = docker_files()
    files["a/layer.tar"] = LAYER.raw
    files["c/layer.tar"] = files.pop("b/layer.tar")
    path = write_tar(tmp_path / "a.tar", files, {"b/layer.tar": "../c/layer.tar"})
    images = await opened(f"docker-archive:{path}")
    first, second = (await content(images)).layers
    assert (first.digest, first.media_type.rpartition(".")[2]) == (LAYER.digest, "gzip")
    assert await drain(images, first) == LAYER.raw
    assert await drain(images, second) == PLAIN.raw


async def test_bytes_that_are_not_what_they_are_called(tmp_path: Path, drain: Drain) -> None:
    """A changed blob is refused however it is read, and so is one of another size or one that is gone."""
    files = layout({"v1": IMAGE})
    root = write_folder(tmp_path, files)
    images = await opened(f"oci:{root}")
    manifest = await content(images)

    def blob(digest: Digest) -> Path:
        return root / "blobs" / digest.replace(":", "/")

    blob(LAYER.digest).write_bytes(LAYER.raw[:-1] + b"x")
    with pytest.raises(DigestMismatchError):
        await drain(images, manifest.layers[0])
    blob(LAYER.digest).write_bytes(LAYER.raw + b"x")
    with pytest.raises(DigestMismatchError, match="the manifest says"):
        await drain(images, manifest.layers[0])
    blob(LAYER.digest).unlink()
    with pytest.raises(NotFoundError, match=LAYER.digest):
        await drain(images, manifest.layers[0])
    os.mkfifo(blob(LAYER.digest))
    with pytest.raises(NotFoundError):
        await drain(images, manifest.layers[0])
    wrong = Descriptor(media_type="x", digest=manifest.config.digest, size=1)
    with pytest.raises(DigestMismatchError, match="the manifest says 1"):
        await images.blob(wrong, limit_bytes=10_000)
    blob(IMAGE.digest).write_bytes(b"{}")
    with pytest.raises(DigestMismatchError):
        await images.manifest(Tag("v1"))


async def test_a_transfer_from_a_file_can_be_cancelled(tmp_path: Path) -> None:
    """A reader that does not read holds no thread once nobody waits."""
    big = build_image([build_layer({"f": os.urandom(3_000_000)})])
    write_folder(tmp_path, layout({"v1": big}))
    images = await opened(f"oci:{tmp_path}")
    layer = (await content(images)).layers[0]
    reading, writing = os.pipe()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await images.pour(layer, writing, timeout_seconds=60)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"manifest.json": None}, InvalidManifestError, "has no manifest.json"),
        ({"manifest.json": b"{"}, InvalidManifestError, "is not JSON"),
        ({"manifest.json": b"{}"}, ConfigurationError, "holds 0 images"),
        ({"manifest.json": b"[3]"}, InvalidManifestError, "not docker's"),
        ({"manifest.json": b"[]"}, ConfigurationError, "holds 0 images"),
        ({"manifest.json": b'[{"Config": "nope.json", "Layers": []}]'}, InvalidManifestError, "has no nope.json"),
        ({"b/layer.tar": None}, NotFoundError, "has no b/layer.tar"),
    ],
)
async def test_damaged_docker_archives(
    change: Mapping[str, bytes | None], error: type[WatcherError], says: str, tmp_path: Path
) -> None:
    """Each kind of damage is one clear sentence."""
    files: dict[str, bytes | None] = {**docker_files(), **change}
    path = write_tar(tmp_path / "a.tar", {name: body for name, body in files.items() if body is not None})
    with pytest.raises(error, match=says):
        await opened(f"docker-archive:{path}")


async def test_a_docker_archive_whose_parts_disagree(tmp_path: Path) -> None:
    """More layers than diff ids, or diff ids that are no digests, are damage."""
    for diff_ids, says in (([], "2 layers and 0 diff ids"), (["sha256:x", "sha256:y"], "is no digest")):
        raw = json.dumps({"rootfs": {"diff_ids": diff_ids}}).encode()
        path = write_tar(tmp_path / "a.tar", docker_files(raw))
        with pytest.raises(InvalidManifestError, match=says):
            await opened(f"docker-archive:{path}")


async def test_archives_that_are_none(tmp_path: Path) -> None:
    """Compressed, truncated, empty and foreign files are told apart where they can be."""
    path = write_tar(tmp_path / "a.tar", layout({"v1": IMAGE}))
    whole = path.read_bytes()
    cases = [
        (gzip.compress(whole), InvalidManifestError, "compressed with gzip; unpack"),
        (b"not a tar" * 100, InvalidManifestError, "no tar, or damaged"),
        (whole[:700], WatcherError, "damaged|no index.json|ends inside"),
        (b"", InvalidManifestError, "no tar, or damaged"),
    ]
    for body, error, says in cases:
        path.write_bytes(body)
        with pytest.raises(error, match=says):
            await opened(f"oci-archive:{path}")


async def test_damaged_layouts(tmp_path: Path) -> None:
    """No directory, no index, a file for a directory, an index that is none: the operator learns which."""
    with pytest.raises(ConfigurationError, match="no such directory"):
        await opened(f"oci:{tmp_path / 'none'}")
    with pytest.raises(ConfigurationError, match="no such file"):
        await opened(f"oci-archive:{tmp_path / 'none'}")
    with pytest.raises(ConfigurationError, match=r"no index\.json"):
        await opened(f"oci:{tmp_path}")
    with pytest.raises(ConfigurationError, match="for a directory write oci:"):
        await opened(f"oci-archive:{tmp_path}")
    for body in (b"nonsense", json.dumps({"mediaType": DOCKER_MANIFEST, "config": {}}).encode(), IMAGE.raw):
        (tmp_path / "index.json").write_bytes(body)
        with pytest.raises(InvalidManifestError):
            await opened(f"oci:{tmp_path}")
    (tmp_path / "index.json").write_bytes(b'{"manifests": []}')
    with pytest.raises(ConfigurationError, match="holds 0 images"):
        await open_local(LocalImage(kind="oci", path=tmp_path))
