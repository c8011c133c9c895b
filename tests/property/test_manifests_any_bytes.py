"""Any bytes are a manifest, a configuration, or one kind of error."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from watcher.model.errors import InvalidManifestError
from watcher.model.image import OCI_INDEX, OCI_MANIFEST, parse_config, parse_manifest

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
