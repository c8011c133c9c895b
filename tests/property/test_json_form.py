"""A mapping becomes the message that protobuf's own reader makes of it, or both refuse it."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from watcher.evaluation.document.fields import MESSAGES
from watcher.evaluation.document.json_form import message_of
from watcher.evaluation.document.types import message_class

TIMES = st.sampled_from(["2026-01-02T03:04:05Z", "1970-01-01T00:00:00Z", "2026-01-02T03:04:05.123+02:00", "yesterday", ""])
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["\ud800", "1", "true", "HIGH", "NaN", "Infinity", b"x", (), [None]]),
    TIMES,
    st.lists(st.text(max_size=3), max_size=2),
    st.just({}),
)
SCALARS: Mapping[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=5),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "timestamp": TIMES,
    "map": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    "Severity": st.sampled_from(["UNKNOWN", "HIGH", "high"]),
}


def values_of(name: str, *, odd: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings with some of the fields of a message, each as it is usually written or, where `odd`, as anything."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in MESSAGES[name]:
        usual = SCALARS[field.type] if field.type in SCALARS else values_of(field.type, odd=odd)
        value = st.lists(usual, max_size=2) if field.repeated else usual
        fields[field.name] = st.one_of(value, ODD) if odd else value
    if odd:
        fields |= {"firstSeen": TIMES, "nowhere": ODD}
    return st.fixed_dictionaries({}, optional=fields)


def read(name: str, value: dict[str, Any]) -> Any:
    """As protobuf reads it; None where it does not, or where a lone surrogate breaks it."""
    made = message_class(name)()
    try:
        json_format.ParseDict(value, made)
    except (json_format.ParseError, SystemError):
        return None
    return made


def ours(name: str, value: dict[str, Any]) -> Any:
    try:
        return message_of(name, value, "here")
    except ValueError:
        return None


def both(name: str, value: dict[str, Any]) -> tuple[Any, Any]:
    """What we make of it and what protobuf does: nothing both, or equal in every byte; whether a field is there counts as well."""
    made, expected = ours(name, value), read(name, value)
    assert (made is None) is (expected is None)
    if made is not None:
        assert made.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    return made, expected


NAMES = ("Vulnerability", "Data", "Drift", "Image", "SecretFound", "File")


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_what_is_written_as_we_write_it(name: str, data: st.DataObject) -> None:
    made, expected = both(name, data.draw(values_of(name, odd=False)))
    assert made == expected


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_whatever_is_written(name: str, data: st.DataObject) -> None:
    """Other spellings and other types mean what they mean to protobuf, or are refused as it refuses them."""
    both(name, data.draw(values_of(name, odd=True)))


def test_a_severity_that_is_no_unicode_is_refused() -> None:
    """YAML can write one."""
    with pytest.raises(ValueError, match="here: a text that is no Unicode"):
        message_of("Vulnerability", {"severity": "\ud800"}, "here")


def test_what_gatherers_write_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image has hundreds of it."""

    def long_way(*_: object) -> None:
        raise AssertionError

    written = {
        "id": "CVE-2026-1",
        "aliases": ["GHSA-1"],
        "severity": "HIGH",
        "package": {"name": "curl", "layer": 1, "from_base": True},
        "fix": {"available": True, "versions": ["2"], "available_since": "2026-01-02T00:00:00Z"},
        "cvss": [{"source": "nvd", "base": 9.8}],
        "epss": 0.5,
        "first_seen": "2026-01-02T00:00:00Z",
    }
    expected = read("Vulnerability", written)
    monkeypatch.setattr(json_format, "ParseDict", long_way)
    assert ours("Vulnerability", written) == expected
