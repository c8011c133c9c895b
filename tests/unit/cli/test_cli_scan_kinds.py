"""`watcher scan` on what is no plain image: artefacts, build caches, renamed and encrypted layers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.pushing import write_layout
from tests.unit.cli.conftest import Run
from watcher.model.digest import digest_of
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.testing.images import BuiltImage, build_image, build_layer

# Each starts the process that judges and the one that workers come from.
pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(60)]

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
KEY = build_layer({"root/.aws/credentials": "aws_access_key_id = AKIA" + "Q3EGRIMZ7KLDOP5X\n"})
RUNNABLE = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [KEY.diff_id]}}


def described(raw: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}


def crafted(config: object, config_type: str, *layers: tuple[bytes, str]) -> BuiltImage:
    raw = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(raw, config_type),
        "layers": [described(*layer) for layer in layers],
    }
    blobs = {digest_of(raw): raw, **{digest_of(content): content for content, _ in layers}}
    return BuiltImage(media_type=OCI_MANIFEST, raw=json.dumps(manifest).encode(), blobs=blobs)


def index_of(*entries: tuple[bytes, str]) -> BuiltImage:
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(*entry) for entry in entries]}
    blobs = {digest_of(content): content for content, _ in entries}
    return BuiltImage(media_type=OCI_INDEX, raw=json.dumps(body).encode(), blobs=blobs)


def verdicts(watcher: Run, tmp_path: Path, image: BuiltImage) -> list[dict[str, Any]]:
    ended = watcher("scan", "-o", "json", "--platform", "all", f"oci:{write_layout(tmp_path / 'image', image)}")
    return [json.loads(line)["verdict"] for line in ended.out.splitlines()]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (crafted({}, "application/vnd.unknown.config.v1+json", (KEY.raw, LAYER_TYPE)), "unknown.config"),
        (crafted({"layers": []}, "application/vnd.buildkit.cacheconfig.v0", (KEY.raw, LAYER_TYPE)), "cacheconfig"),
        (index_of((KEY.raw, LAYER_TYPE), (b'{"layers":[]}', "application/vnd.buildkit.cacheconfig.v0")), "without a platform"),
    ],
    ids=["oras push", "cache manifest", "cache index"],
)
def test_what_cannot_run_is_not_applicable(image: BuiltImage, reason: str, watcher: Run, tmp_path: Path) -> None:
    """Although its layers are called those of a file system."""
    (verdict,) = verdicts(watcher, tmp_path, image)
    assert verdict["outcome"] == "not-applicable"
    assert reason in verdict["reason"]


@pytest.mark.parametrize(
    "image",
    [
        crafted(RUNNABLE, "application/vnd.oci.image.config.v1+json", (KEY.raw, "application/vnd.in-toto+json")),
        crafted(RUNNABLE, "application/vnd.example.config+json", (KEY.raw, LAYER_TYPE)),
        crafted(
            RUNNABLE, "application/vnd.oci.image.config.v1+json", (KEY.raw, LAYER_TYPE.replace("layer.", "layer.nondistributable."))
        ),
        index_of((crafted(RUNNABLE, "application/vnd.oci.image.config.v1+json", (KEY.raw, LAYER_TYPE)).raw, "application/x")),
    ],
    ids=["layer renamed", "configuration renamed", "called non-distributable", "entry renamed"],
)
def test_a_name_hides_no_key(image: BuiltImage, watcher: Run, tmp_path: Path) -> None:
    """What unpacks is unpacked, under any type."""
    blobs = {**image.blobs, **crafted(RUNNABLE, "x", (KEY.raw, LAYER_TYPE)).blobs}
    found = verdicts(watcher, tmp_path, BuiltImage(media_type=image.media_type, raw=image.raw, blobs=blobs))
    assert found[-1]["outcome"] == "fail"
    assert "baseline/aws-keys" in {finding["rule"] for finding in found[-1]["findings"]}


def test_an_encrypted_layer_is_unknown_and_says_so(watcher: Run, tmp_path: Path) -> None:
    """Nobody without its key can say what is in it."""
    image = crafted(RUNNABLE, "application/vnd.oci.image.config.v1+json", (b"\x00" * 64, f"{LAYER_TYPE}+encrypted"))
    (verdict,) = verdicts(watcher, tmp_path, image)
    assert verdict["outcome"] == "unknown"
    assert verdict["sections"]["files"]["reason"].endswith("is encrypted")


def test_a_platform_that_is_not_there_is_unknown(watcher: Run, tmp_path: Path) -> None:
    """An entry that is called a manifest is one that somebody may come to start."""
    image = build_image([KEY])
    index = index_of((image.raw, OCI_MANIFEST))
    (verdict,) = verdicts(watcher, tmp_path, BuiltImage(media_type=OCI_INDEX, raw=index.raw))
    assert (verdict["outcome"], verdict["reason"][:9]) == ("unknown", "not-found")
