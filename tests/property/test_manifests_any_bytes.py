"""Any bytes are a manifest, a configuration, or one kind of error."""

import contextlib
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from watcher.model.errors import AmbiguousManifestError, InvalidManifestError
from watcher.model.image import OCI_INDEX, OCI_MANIFEST
from watcher.model.image_json import parse_config, parse_manifest
from watcher.model.one_reading import MANIFEST, read_object

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "mediaType",
                    "config",
                    "layers",
                    "manifests",
                    "digest",
                    "size",
                    "annotations",
                    "subject",
                    "platform",
                    "Env",
                    "history",
                    "urls",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(values, st.sampled_from([OCI_MANIFEST, OCI_INDEX, "x"]))
def test_any_json_is_a_manifest_or_our_error(value: object, media_type: str) -> None:
    """JSON of any shape."""
    with contextlib.suppress(InvalidManifestError):
        parse_manifest(json.dumps(value).encode(), media_type)


@given(values)
def test_any_json_is_a_configuration_or_our_error(value: object) -> None:
    """JSON of any shape."""
    with contextlib.suppress(InvalidManifestError):
        parse_config(json.dumps(value).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_our_error(raw: bytes) -> None:
    """Bytes of any kind."""
    with contextlib.suppress(InvalidManifestError):
        parse_manifest(raw, OCI_MANIFEST)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_our_error(raw: bytes) -> None:
    """Bytes of any kind."""
    with contextlib.suppress(InvalidManifestError):
        parse_config(raw)


@given(st.sampled_from(sorted(MANIFEST)), st.data())
def test_a_field_in_another_case_is_never_passed_over(name: str, data: st.DataObject) -> None:
    """Whichever of its letters differ."""
    other = "".join(data.draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in name)
    assume(other != name)
    with pytest.raises(AmbiguousManifestError):
        read_object(json.dumps({"layers": [], other: None}).encode(), "manifest", MANIFEST)
