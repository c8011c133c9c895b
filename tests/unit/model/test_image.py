import json
from typing import Any

import pytest

from watcher.model.errors import InvalidManifestError
from watcher.model.image import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY_DIGEST,
    MAX_LAYERS,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Index,
    Manifest,
)
from watcher.model.image_json import parse_config, parse_manifest

DIGEST = "sha256:" + "a" * 64
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 3}


def manifest(**changes: Any) -> bytes:
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 2},
        "layers": [LAYER],
        **changes,
    }
    return json.dumps({key: value for key, value in body.items() if value is not None}).encode()


def parsed(**changes: Any) -> Manifest:
    content = parse_manifest(manifest(**changes), OCI_MANIFEST)
    assert isinstance(content, Manifest)
    return content


def test_what_the_manifest_alone_says_cannot_run() -> None:
    """Its bytes are known by their digest; types, subject and artifact type are the author's to choose."""
    empty = {"mediaType": OCI_EMPTY, "digest": EMPTY_DIGEST, "size": 2}
    assert parsed(config=empty).is_bare_artifact
    assert not parsed(config={**empty, "mediaType": OCI_CONFIG}).is_bare_artifact
    assert not parsed(config={**empty, "digest": DIGEST}).is_bare_artifact
    content = parsed(subject={"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1}, artifactType="application/x")
    assert not content.is_bare_artifact
    assert content.subject == DIGEST
    assert parsed(config={**empty, "digest": DIGEST}, layers=[]).is_bare_artifact
    assert not parsed(layers=[]).is_bare_artifact


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/vnd.oci.image.layer.v1.tar", True),
        ("application/vnd.oci.image.layer.v1.tar+zstd", True),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", True),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", True),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", False),
        ("application/vnd.oci.image.layer.nydus.blob.v1", False),
        ("application/vnd.in-toto+json", False),
    ],
)
def test_layers_that_every_runtime_unpacks(media_type: str, expected: bool) -> None:
    """The types of the specifications and their compressions."""
    assert parsed(layers=[{**LAYER, "mediaType": media_type}]).layers[0].is_rootfs_layer is expected


def test_the_content_type_decides_where_the_body_is_silent() -> None:
    """Docker's manifests name their type in the body, OCI's need not."""
    content = parse_manifest(manifest(mediaType=None), f"{DOCKER_MANIFEST}; charset=utf-8")
    assert content.media_type == DOCKER_MANIFEST


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_lists_platforms(media_type: str) -> None:
    """Both forms of an index read alike."""
    entry = {
        "mediaType": OCI_MANIFEST,
        "digest": DIGEST,
        "size": 1,
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
    }
    content = parse_manifest(json.dumps({"mediaType": media_type, "manifests": [entry]}).encode(), media_type)
    assert isinstance(content, Index)
    assert content.manifests[0].platform == "linux/arm/v7"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"schemaVersion": 1}',
        b"[" * 100_000,
        manifest(config=None),
        manifest(config=[]),
        manifest(layers={"a": 1}),
        manifest(layers=[{**LAYER, "size": -1}]),
        manifest(layers=[{**LAYER, "size": True}]),
        manifest(layers=[{**LAYER, "digest": "sha256:abc"}]),
        manifest(layers=[LAYER] * (MAX_LAYERS + 1)),
        manifest(annotations={"a": 1}),
        manifest(mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws"),
        manifest(mediaType=7),
        manifest(mediaType=["a"]),
    ],
)
def test_a_manifest_that_cannot_be_read_is_our_error(raw: bytes) -> None:
    """Whatever the bytes are, the answer is one kind of error."""
    with pytest.raises(InvalidManifestError):
        parse_manifest(raw, OCI_MANIFEST)


def test_a_configuration_says_how_the_image_runs() -> None:
    """The fields that rules read, and the step of each layer."""
    body = {
        "os": "linux",
        "architecture": "arm64",
        "config": {"User": "app", "ExposedPorts": {"8080/tcp": {}, "22/tcp": {}}, "Env": ["A=b"], "Labels": None},
        "history": [{"created_by": "COPY . /"}, {"created_by": "ENV A=b", "empty_layer": True}],
        "rootfs": {"diff_ids": [DIGEST]},
    }
    config = parse_config(json.dumps(body).encode())
    assert config.platform == "linux/arm64"
    assert config.exposed_ports == ("22/tcp", "8080/tcp")
    assert [step.empty_layer for step in config.history] == [False, True]


@pytest.mark.parametrize(
    "raw", [b"", b"null", b'{"config": []}', b'{"config": {"Env": "A=b"}}', b'{"config": {"User": 0}}', b'{"history": {"a": 1}}']
)
def test_a_configuration_that_cannot_be_read_is_our_error(raw: bytes) -> None:
    """A field of the wrong shape is named, never guessed."""
    with pytest.raises(InvalidManifestError):
        parse_config(raw)
