"""Whatever stands in a configuration: it is read, or every mistake is told with its place."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from watcher.kit.struct_reading import read_struct
from watcher.kit.yaml_source import YamlSource
from watcher.settings import Settings

PARTS = [field.encode_name for field in msgspec.structs.fields(Settings)]
# Keys and words that lead deep into it, and some that lead nowhere.
KEYS = st.sampled_from(
    ["type", "host", "name", "auth", "secret", "timeout", "lists", "map", "images", "mapping", "notation", "tls", "x"]
)
WORDS = st.sampled_from(
    ["webhook", "mqtt", "referrer", "notify", "bearer", "harbor", "a.example", "env:X", "30s", "30", "1MiB", "fail"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=3)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=15)


@given(value=st.dictionaries(st.sampled_from(PARTS) | KEYS, VALUES, max_size=4) | VALUES)
def test_any_values_are_read_or_refused(value: Any) -> None:
    """Nothing else is raised, and what is refused has a reason."""
    read, mistakes = read_struct(YamlSource(file="f", value=value, positions={}), Settings)
    assert (read is None) is bool(mistakes)
    assert all(each.startswith("f:1:1: ") for each in mistakes)
