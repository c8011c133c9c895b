"""How severe it is, and who says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.advisories.severity import score_of, severity_of
from watcher.advisories.tables import Kept

TWO, THREE = "AV:N/AC:L/Au:N/C:P/I:P/A:P", "CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:L/I:N/A:N"
FOUR = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


def kept(identifier: str, severity: str = "", *vectors: str) -> Kept:
    said = tuple((identifier.partition("-")[0].lower(), vector) for vector in vectors)
    return Kept(identifier, (), (), "", None, severity, said, ())


@pytest.mark.parametrize(("vector", "base", "severity"), [(TWO, 7.5, "HIGH"), (THREE, 3.3, "LOW"), (FOUR, 9.3, "CRITICAL")])
def test_a_vector_of_every_version_is_worked_out(vector: str, base: float, severity: str) -> None:
    score = score_of(vector)
    assert score is not None
    assert (score.base, score.severity) == (base, severity)


@pytest.mark.parametrize("vector", ["", "high", "CVSS:3.1/AV:N", "CVSS:9.9/AV:N", "CVSS:3.1/AV:N/AV:N/AC:L", "CVSS:4.0/"])
def test_what_is_no_vector_has_no_score(vector: str) -> None:
    assert score_of(vector) is None


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: f"CVSS:3.1/{text}"))
def test_any_text_has_a_score_or_none(text: str) -> None:
    score_of(text)


@pytest.mark.parametrize(
    ("word", "own", "aliases", "expected"),
    [
        ("LOW", [kept("DEBIAN-CVE-1", "", FOUR)], [kept("GHSA-1", "CRITICAL")], ("LOW", "Debian")),
        ("", [kept("ALSA-1", "HIGH")], [kept("GHSA-1", "LOW")], ("HIGH", "Debian")),
        ("", [kept("DEBIAN-CVE-1", "", FOUR)], [kept("GHSA-1", "LOW")], ("LOW", "GHSA")),
        ("", [kept("PYSEC-1", "", THREE)], [kept("CVE-1", "", TWO)], ("HIGH", "CVSS 2.0 of cve")),
        ("", [kept("GO-1", "", "nonsense")], [], ("UNKNOWN", "")),
        ("", [], [], ("UNKNOWN", "")),
    ],
)
def test_who_is_believed(word: str, own: list[Kept], aliases: list[Kept], expected: tuple[str, str]) -> None:
    """The distribution, its erratum, GitHub, then the highest vector; nobody is no severity."""
    assert severity_of("Debian", word, own, aliases) == expected
