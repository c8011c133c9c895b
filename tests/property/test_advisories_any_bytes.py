"""Any bytes are records of a format, or another format."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.advisories.formats.catalog import READERS, format_of
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.formats.rustsec_requirements import RequirementError, affected_between
from watcher.advisories.record import Record

WORDS = """
0 v3.19 CVE-2024-0001 CVE-2024-99999999 GHSA-aaaa-bbbb-cccc not_affected fixed 2.0 1.2.3-r0 open resolved bookworm
https://openvex.dev/ns 2024-01-01 2024-01-01T00:00:00-23:59 0001-01-01T00:00:00+23:00
"""
NAMES = """
packages pkg secfixes distroversion urlprefix vulnerabilities cveID dateAdded cve ids text releases bookworm status fixed_version
urgency CVE-2024-0001 curl @context @id statements products vulnerability aliases subcomponents identifiers purl timestamp document
csaf_version tracking id product_tree branches product product_id relationships product_reference relates_to_product_reference
name full_product_name full_product_names product_groups group_id product_ids product_status flags label
"""
LINES = """
```toml
```
+++
[advisory]
[versions]
[[versions]]
id = "RUSTSEC-2021-0001"
package = "a"
patched = [">= 1, < 2"]
patched = [1]
date = 2021-01-01
date = 0001-01-01T00:00:00+23:00
withdrawn = 1
a.b.c = 1
# Title
cve,epss,percentile
CVE-2024-0001,0.5,1
CVE-2024-0001,1e999
cveID,dateAdded
CVE-2024-0001,"2024
#model_version:1
"
id: PYSEC-2022-1
affected:
- package: {name: a, ecosystem: PyPI}
  ranges: [{events: [{introduced: 0}]}]
  - &a [*a]
? !!set {a}
"""

texts = st.sampled_from(WORDS.split()) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
names = st.sampled_from(NAMES.split())
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=30)
# Whole enough to be taken for a document of each format, so that what is inside is reached.
documents = st.one_of(
    values,
    st.fixed_dictionaries({"distroversion": st.just("v3.19"), "packages": st.lists(values, max_size=4)}),
    st.fixed_dictionaries({"vulnerabilities": st.lists(values, max_size=4)}),
    st.dictionaries(names, st.dictionaries(names, values, max_size=4), max_size=4),
    st.fixed_dictionaries({"@context": st.just("https://openvex.dev/ns"), "statements": st.lists(values, max_size=4)}),
    st.fixed_dictionaries(
        {"document": st.just({"csaf_version": "2.0"}), "product_tree": values, "vulnerabilities": st.lists(values, max_size=4)}
    ),
)
lines = st.sampled_from(LINES.strip().split("\n"))


def is_read(reader: str, content: bytes) -> None:
    for suffix in (".csv", ".json", ".md", ".yaml"):
        assert format_of(content, name=f"file{suffix}") in {None, *READERS}
    try:
        records: list[Record] = list(READERS[reader](content, name="file"))
    except NotThisFormatError:
        return
    assert all(isinstance(record, Record) for record in records)


@pytest.mark.parametrize("reader", READERS)
@given(content=st.binary(max_size=256) | st.text(max_size=128).map(str.encode))
def test_any_bytes_are_records_or_another_format(reader: str, content: bytes) -> None:
    """Nothing else is raised, whatever the file is."""
    is_read(reader, content)


@pytest.mark.parametrize("reader", ["csaf", "debian-tracker", "kev", "openvex", "osv", "pypa", "secdb"])
@given(document=documents)
def test_any_json_is_records_or_another_format(reader: str, document: Any) -> None:
    """However the parts of the formats are put together."""
    is_read(reader, json.dumps(document).encode())


@pytest.mark.parametrize("reader", ["epss", "kev", "pypa", "rustsec"])
@given(text=st.lists(lines | st.text(max_size=8), max_size=12).map("\n".join), end=st.sampled_from(["", "\n"]))
def test_any_lines_are_records_or_another_format(reader: str, text: str, end: str) -> None:
    """However the lines of the formats follow one another."""
    is_read(reader, (text + end).encode())


@given(text=st.lists(lines, max_size=8).map("\n".join), flipped=st.integers(min_value=0, max_value=200), value=st.integers(0, 255))
def test_a_damaged_compressed_file_is_records_or_another_format(text: str, flipped: int, value: int) -> None:
    """One byte of it is another."""
    content = bytearray(gzip.compress(text.encode(), mtime=0))
    content[flipped % len(content)] = value
    is_read("epss", bytes(content))


@given(st.lists(st.text(alphabet="0123456789.<>=^~*x-a, ", max_size=16), max_size=4))
def test_any_texts_are_requirements_or_refused(requirements: list[str]) -> None:
    """What can be read leaves intervals that are in order and apart."""
    try:
        intervals = affected_between(requirements)
    except RequirementError:
        return
    assert all(interval.fixed for interval in intervals[:-1])
