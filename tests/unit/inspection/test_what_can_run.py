"""What can run is told by content: configuration and layers, whatever they are called."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.doubles.image_sources import MemoryImages, gzipped, layer_tar
from watcher.inspection.runnable import image_config, unread_layers
from watcher.model.errors import CannotRunError
from watcher.model.image import OCI_CONFIG, Manifest
from watcher.model.image_json import describes_image

LAYER = gzipped(layer_tar({"bin/sh": b"x"}))
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DIFF_IDS = {"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}
STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1"}'


async def can_run(
    config: object, config_type: str, layers: Sequence[tuple[bytes, str]], annotations: Mapping[str, str] | None = None
) -> str:
    """Why it cannot run, else which layers are not read."""
    source = MemoryImages()
    raw = config if isinstance(config, bytes) else json.dumps(config).encode()
    described = source.add_layer(raw, config_type)
    held = [source.add_layer(content, media_type) for content, media_type in layers]
    manifest = Manifest(media_type="", config=described, layers=tuple(held), annotations=dict(annotations or {}))
    try:
        assert await image_config(source, manifest) == raw
        unread = await unread_layers(source, manifest, timeout_seconds=10)
    except CannotRunError as error:
        return str(error)
    return ",".join(media_type for index, (_, media_type) in enumerate(layers) if index in unread)


@pytest.mark.parametrize(
    ("config", "config_type", "layer_type"),
    [
        ({}, OCI_CONFIG, OCI_LAYER),
        (DIFF_IDS, "application/vnd.example.config.v1+json", OCI_LAYER),
        ({"config": {}}, "application/octet-stream", OCI_LAYER),
        ({"Config": {"User": "0"}}, "application/octet-stream", OCI_LAYER),
        ({"ROOTFS": {"diff_IDS": []}}, "", OCI_LAYER),
        (DIFF_IDS, OCI_CONFIG, "application/vnd.in-toto+json"),
        (DIFF_IDS, OCI_CONFIG, "application/vnd.example.layer"),
        (DIFF_IDS, "application/vnd.docker.plugin.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    ],
)
async def test_an_image_is_one_whatever_it_is_called(config: object, config_type: str, layer_type: str) -> None:
    """A layer that unpacks is read, under any type."""
    assert await can_run(config, config_type, [(LAYER, layer_type)]) == ""


@pytest.mark.parametrize(
    ("config", "config_type", "layers"),
    [
        (b"{}", "application/vnd.unknown.config.v1+json", [(LAYER, OCI_LAYER)]),
        ({"layers": [], "records": []}, "application/vnd.buildkit.cacheconfig.v0", [(LAYER, OCI_LAYER)]),
        (
            {"name": "chart", "type": "application"},
            "application/vnd.cncf.helm.config.v1+json",
            [(LAYER, "application/vnd.cncf.helm")],
        ),
        (b"not JSON", "application/vnd.example", [(LAYER, OCI_LAYER)]),
        (b"[1]", "application/vnd.example", [(LAYER, OCI_LAYER)]),
        ({"config": "text", "rootfs": {}}, "application/vnd.example", [(LAYER, OCI_LAYER)]),
        (DIFF_IDS, OCI_CONFIG, [(STATEMENT, "application/vnd.in-toto+json"), (b"{}", "application/vnd.in-toto+json")]),
        ({**DIFF_IDS, "config": {}}, OCI_CONFIG, [(STATEMENT, "application/vnd.dev.cosign.simplesigning.v1+json")]),
        (DIFF_IDS, OCI_CONFIG, [(b"SPDXVersion: SPDX-2.3\n", "text/spdx")]),
    ],
)
async def test_what_no_runtime_starts(config: object, config_type: str, layers: Sequence[tuple[bytes, str]]) -> None:
    """`oras push` as it is, build caches, charts; attestations and signatures have an image's configuration and no archive."""
    assert (await can_run(config, config_type, layers)).startswith("cannot run: ")


@pytest.mark.parametrize(
    ("content", "media_type", "unread"),
    [
        (STATEMENT, "application/vnd.in-toto+json", True),
        (b"\x00binary", "application/vnd.example.layer", False),
        (LAYER, f"{OCI_LAYER}+encrypted", True),
        (b"\x00nydus", "application/vnd.oci.image.layer.nydus.blob.v1", True),
        (STATEMENT, OCI_LAYER, False),
    ],
)
async def test_layers_beside_others_that_are_no_archives(content: bytes, media_type: str, unread: bool) -> None:
    """What is called a layer is always read; the rest is, unless it is a document or says that it is no archive."""
    found = await can_run(DIFF_IDS, OCI_CONFIG, [(LAYER, OCI_LAYER), (content, media_type)])
    assert found == (media_type if unread else "")


def test_configurations_nested_beyond_reason_are_for_the_parser_to_refuse() -> None:
    """It may be anything, so it is not said to be none."""
    deep: Any = b'{"config":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
    assert describes_image(deep)
