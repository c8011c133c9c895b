"""A document that programs read differently is refused by name, whichever reading we would take."""

import json
from typing import Any

import pytest

from watcher.model.errors import AmbiguousManifestError, InvalidManifestError, NotAManifestError
from watcher.model.image import DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from watcher.model.image_json import parse_config, parse_manifest

DIGEST = "sha256:" + "a" * 64
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 3}
IMAGE = {"schemaVersion": 2, "config": {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 2}, "layers": [LAYER]}
ENTRY = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 3}
HUGE = 2**63


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (raw({**IMAGE, "Layers": []}), "'Layers'"),
        (raw({**IMAGE, "layer\u017f": []}), "'layer\u017f'"),
        (raw({**IMAGE, "mediatype": OCI_INDEX}), "'mediatype'"),
        (raw({**IMAGE, "layers": [{**LAYER, "Digest": DIGEST}]}), "layers[0] has the key 'Digest'"),
        (raw({**IMAGE, "subject": {**LAYER, "platform": {"OS": "linux"}}}), "'OS'"),
        (raw(IMAGE).replace(b'"size": 3', b'"size": 3, "size": 4'), "'size' twice"),
        (raw({**IMAGE, "annotations": {"a": "1"}}).replace(b'"a": "1"', b'"a": "1", "a": "2"'), "'a' twice"),
        (raw({**IMAGE, "manifests": []}), "'layers' beside 'manifests'"),
        (raw({"manifests": [ENTRY], "config": IMAGE["config"]}), "'config' beside 'manifests'"),
        (raw({**IMAGE, "fsLayers": []}), "schema 1"),
        (raw({**IMAGE, "mediaType": OCI_INDEX}), OCI_INDEX),
        (raw({"mediaType": OCI_MANIFEST, "manifests": [ENTRY]}), "'manifests'"),
        (raw({**IMAGE, "layers": [{**LAYER, "size": HUGE}]}), "layers[0].size"),
        (raw({**IMAGE, "layers": [{**LAYER, "size": HUGE - 1}] * 2}), "beyond 64 bits"),
        (raw({**IMAGE, "anything": {"deep": [-HUGE - 1]}}), "anything.deep[0]"),
        (raw(IMAGE).replace(b'"size": 3', b'"size": ' + b"9" * 5000), "digits"),
        (raw(IMAGE).replace(b'"size": 3', b'"size": 1e999'), "number"),
        (raw({**IMAGE, "x": json.loads("[" * 70 + "]" * 70)}), "nested deeper"),
        (b'{"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
        (raw({**IMAGE, "annotations": {"a": "\ud800"}}), "surrogate"),
        (raw({**IMAGE, "annotations": {"a": "QQ"}}).replace(b"QQ", b"\xff"), "not UTF-8"),
    ],
)
def test_a_manifest_with_two_readings_is_ambiguous(body: bytes, named: str) -> None:
    """Go takes folded keys and the last of two, others do not; the error says which key it was."""
    with pytest.raises(AmbiguousManifestError) as caught:
        parse_manifest(body, "")
    assert named in str(caught.value)
    assert caught.value.reason == "ambiguous-manifest"


@pytest.mark.parametrize(("body", "served"), [(IMAGE, OCI_INDEX), ({"manifests": [ENTRY]}, DOCKER_MANIFEST)])
def test_a_manifest_served_as_what_it_is_not_is_ambiguous(body: object, served: str) -> None:
    """Some clients believe the header, others the body (CVE-2021-41190)."""
    with pytest.raises(AmbiguousManifestError, match="was served as"):
        parse_manifest(raw(body), served)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (raw({"config": {"user": "0"}}), "'user'"),
        (raw({"config": {"User": "1", "U\u017fer": "0"}}), "'U\u017fer'"),
        (raw({"config": {"Wor\u212aingDir": "/"}}), "'Wor\u212aingDir'"),
        (raw({"Config": {"User": "0"}}), "'Config'"),
        (raw({"rootfs": {"Diff_ids": []}}), "'Diff_ids'"),
        (raw({"config": {"Healthcheck": {"test": []}}}), "'test'"),
        (raw({"history": [{"Created_By": "x"}]}), "history[0]"),
        (b'{"config":{"User":"0"},"config":{}}', "'config' twice"),
        (b'{"config":{"Env":["A=\xff"]}}', "not UTF-8"),
    ],
)
def test_a_configuration_with_two_readings_is_ambiguous(body: bytes, named: str) -> None:
    """Who the image runs as must not depend on who reads it."""
    with pytest.raises(AmbiguousManifestError) as caught:
        parse_config(body)
    assert named in str(caught.value)


def test_a_key_that_is_a_credential_is_not_shown() -> None:
    """Whoever reads the verdict need not see it."""
    key = "AKIA" + "Q3EGRIMZ7KLDOP5X"
    twice = raw({**IMAGE, "annotations": {key: "1"}}).replace(b'"1"', f'"1", "{key}": "2"'.encode())
    for body in (twice, raw({**IMAGE, "annotations": {key: HUGE}})):
        with pytest.raises(AmbiguousManifestError) as caught:
            parse_manifest(body, "")
        assert "Q3EGRIMZ" not in str(caught.value)


def test_names_that_authors_choose_may_differ_in_case() -> None:
    """Labels and annotations are maps to Go as well: `user` and `User` are two labels."""
    config = parse_config(raw({"config": {"Labels": {"user": "a", "User": "b", "layers": "c"}, "ExposedPorts": {"env": {}}}}))
    assert config.labels == {"user": "a", "User": "b", "layers": "c"}
    parse_manifest(raw({**IMAGE, "annotations": {"Layers": "x", "layers": "y"}}), "")


@pytest.mark.parametrize("served", ["", "application/json", "text/plain; charset=utf-8", "application/octet-stream"])
def test_a_manifest_that_says_no_type_is_known_by_its_content(served: str) -> None:
    """`mediaType` is optional to OCI, and what serves files knows no manifests."""
    assert parse_manifest(raw(IMAGE), served).media_type == OCI_MANIFEST
    assert parse_manifest(raw({"manifests": [ENTRY]}), served).media_type == OCI_INDEX
    docker = {**IMAGE, "config": {"mediaType": DOCKER_CONFIG, "digest": DIGEST, "size": 2}}
    assert parse_manifest(raw(docker), served).media_type == DOCKER_MANIFEST


@pytest.mark.parametrize(
    "body", [{"schemaVersion": 1, "fsLayers": []}, {"mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"}]
)
def test_schema_1_is_said_to_be_unsupported(body: object) -> None:
    """Not the shape of something that its author wrote wrongly."""
    with pytest.raises(InvalidManifestError, match="schema 1 is not supported"):
        parse_manifest(raw(body), "")


@pytest.mark.parametrize("body", [b"", b"\x1f\x8b\x08", b"{}", b"[]", b"7", raw({"layers": [], "records": []}), b"{" * 9])
def test_bytes_that_are_something_else_are_no_manifest(body: bytes) -> None:
    """A layer or the configuration of a build cache, say."""
    with pytest.raises(NotAManifestError):
        parse_manifest(body, "")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({**IMAGE, "layers": [{**LAYER, "size": True}]}, "manifest.layers[0].size is a truth value True, expected a whole number"),
        ({**IMAGE, "layers": [{**LAYER, "size": "3"}]}, "manifest.layers[0].size is a text, expected a whole number"),
        ({**IMAGE, "layers": {"a": 1}}, "manifest.layers is an object, expected a list"),
        ({**IMAGE, "artifactType": 3}, "manifest.artifactType is a whole number 3, expected a text"),
        ({**IMAGE, "annotations": {"a": 1}}, "manifest.annotations is an object, expected an object of texts"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_with_its_place(body: object, sentence: str) -> None:
    """For whoever wrote the tool that wrote it."""
    with pytest.raises(InvalidManifestError) as caught:
        parse_manifest(raw(body), "")
    assert str(caught.value) == sentence
