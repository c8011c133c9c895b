"""PyPA's database: OSV's records in YAML."""

import pytest

from watcher.advisories.formats import pypa
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Advisory, Affected, Interval, Malformed, Record

ADVISORY = b"""id: PYSEC-2022-1
details: An issue was discovered in Django, which is
  called & known.
affected:
- package:
    name: Django
    ecosystem: PyPI
  ranges:
  - type: ECOSYSTEM
    events:
    - introduced: 2.10
    - fixed: 2.20
    - introduced: '3.2'
    - fixed: 3.2.11
  versions: ['2.10', 2.10.1]
withdrawn: null
aliases:
- CVE-2021-45115
published: 2022-01-05T00:15:00Z
"""


def records(text: bytes) -> list[Record]:
    return list(pypa.read(text, name="PYSEC-2022-1.yaml"))


def test_a_version_is_what_is_written() -> None:
    """YAML would make the number 2.1 of 2.10, and a time of what looks like one."""
    (advisory,) = records(ADVISORY)
    assert isinstance(advisory, Advisory)
    assert (advisory.id, advisory.aliases, advisory.withdrawn) == ("PYSEC-2022-1", ("CVE-2021-45115",), False)
    assert advisory.affected == (
        Affected(
            ecosystem="PyPI",
            package="django",
            intervals=(Interval(introduced="2.10", fixed="2.20"), Interval(introduced="3.2", fixed="3.2.11")),
            versions=("2.10", "2.10.1"),
        ),
    )
    assert advisory.published is not None
    assert advisory.published.isoformat() == "2022-01-05T00:15:00+00:00"


def test_a_record_of_another_shape_is_named() -> None:
    """The file says which it is."""
    (malformed,) = records(b"id: PYSEC-2022-1\naffected: 3\n")
    assert isinstance(malformed, Malformed)
    assert malformed.where == "PYSEC-2022-1.yaml"


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"- a\n",
        b"name: x\n",
        b"id: [\n",
        b"\xff\xfe\x00",
        b"id: a\n? [b]\n: c\n",
        b"id: &a b\naliases: [*a]\n",
        b"id: " + b"[" * 10_000,
        b"id: " + b"{a: " * 10_000,
        b"- " * 10_000,
        b"id: " + b"a" * (4 * 2**20),
    ],
)
def test_another_text_is_no_record(other: bytes) -> None:
    """Neither what is nested without end, nor what an alias would make long."""
    with pytest.raises(NotThisFormatError):
        records(other)
