"""The vulnerabilities of an image at a terminal, and in a pipe."""

import io
from typing import Any

import pytest
from rich.console import Console

from watcher.reports.vulnerabilities import vulnerabilities_block

WIDE = 100_000
FIXED = {"available": True, "state": "fixed", "versions": ["3.0.2"]}


def a_vulnerability(name: str = "CVE-2026-1", severity: str = "HIGH", *, package: str = "libssl3", **fields: Any) -> dict[str, Any]:
    return {"id": name, "severity": severity, "package": {"name": package, "version": "3.0.1"}, "fix": FIXED, **fields}


def shown(*found: dict[str, Any], width: int = WIDE, most: int | None = None) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(vulnerabilities_block(found, most=most))
    return stream.getvalue()


def rows(text: str) -> list[list[str]]:
    """The lines of the table, below its headings."""
    return [line.split() for line in text.splitlines()[2:]]


def test_a_line_says_what_where_and_what_mends_it() -> None:
    """Package, id, severity, installed and fixed version; above them how many there are."""
    text = shown(a_vulnerability())
    assert text.splitlines()[0] == "Vulnerabilities: 1 (HIGH: 1)"
    assert text.splitlines()[1].split() == ["Package", "Vulnerability", "Severity", "Installed", "Fixed"]
    assert rows(text) == [["libssl3", "CVE-2026-1", "HIGH", "3.0.1", "3.0.2"]]


def test_the_worst_come_first() -> None:
    """What is malicious before what is critical, and of one severity what is known to be exploited; unrated ones last."""
    severities = ("UNKNOWN", "NEGLIGIBLE", "LOW", "MEDIUM", "HIGH", "CRITICAL")
    text = shown(
        *(a_vulnerability(f"CVE-{severity}", severity) for severity in severities),
        a_vulnerability("MAL-1", "UNKNOWN", malware=True),
        a_vulnerability("CVE-KEV", "HIGH", package="zlib1g", kev=True),
    )
    counted = "MALICIOUS: 1, CRITICAL: 1, HIGH: 2, MEDIUM: 1, LOW: 1, NEGLIGIBLE: 1, UNKNOWN: 1"
    assert text.splitlines()[0] == f"Vulnerabilities: 8 ({counted})"
    order = ["MAL-1", "CVE-CRITICAL", "CVE-KEV", "CVE-HIGH", "CVE-MEDIUM", "CVE-LOW", "CVE-NEGLIGIBLE", "CVE-UNKNOWN"]
    assert [row[1] for row in rows(text)] == order
    assert rows(text)[2] == ["zlib1g", "CVE-KEV", "HIGH", "kev", "3.0.1", "3.0.2"]


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        ({"available": False, "state": "not-fixed"}, "not fixed"),
        ({"available": False, "state": "will-not-fix"}, "will not fix"),
        ({"available": False, "state": "subscription", "versions": ["3.0.2+esm1"]}, "subscribers only"),
        ({"available": True, "state": "fixed", "versions": ["3.0.2", "3.1.1"]}, "3.0.2, 3.1.1"),
        ({}, "not fixed"),
    ],
)
def test_what_cannot_be_installed_is_no_fixed_version(fix: dict[str, Any], said: str) -> None:
    """Then the line says why there is none."""
    assert shown(a_vulnerability(fix=fix)).splitlines()[2].rstrip().endswith(f"3.0.1      {said}")


def test_what_a_package_of_the_distribution_brought_says_so() -> None:
    """Its owner stands beside it, since that is what has to be upgraded."""
    text = shown(a_vulnerability(package="pyyaml", owner="deb/python3-yaml"))
    assert "pyyaml (deb/python3-yaml)" in text


def test_what_does_not_affect_the_image_is_counted_only() -> None:
    """By what VEX documents say; one that is still looked into is listed."""
    text = shown(
        a_vulnerability("CVE-1", vex_status="not_affected"),
        a_vulnerability("CVE-2", vex_status="fixed"),
        a_vulnerability("CVE-3", vex_status="under_investigation"),
    )
    assert text.splitlines()[0] == "Vulnerabilities: 1 (HIGH: 1)"
    assert "2 more of which VEX says that the image is not affected" in text
    assert "CVE-1" not in text


def test_it_fits_a_terminal() -> None:
    """Eighty columns, the id whole: versions and names are broken instead."""
    long = a_vulnerability(
        "GHSA-c2qf-rxjj-qqgw",
        "CRITICAL",
        kev=True,
        package="golang.org/x/crypto/a/long/module/path",
        fix={"available": True, "state": "fixed", "versions": ["0.0.0-20211202192323-5770296d904e"]},
    )
    text = shown(long, width=80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "GHSA-c2qf-rxjj-qqgw" in text
    assert len(text.splitlines()) > 3


def test_in_a_pipe_one_record_is_one_line() -> None:
    """Nothing is broken where there is no edge, and nothing is filled up to it."""
    found = [a_vulnerability(f"CVE-{number}", package="p" * 300) for number in range(400)]
    lines = shown(*found).splitlines()
    assert len(lines) == 402
    assert max(len(line) for line in lines) < 400


def test_a_terminal_can_be_spared_the_rest() -> None:
    """The first are listed, the rest are counted."""
    text = shown(*(a_vulnerability(f"CVE-{number}") for number in range(30)), most=25)
    assert text.splitlines()[0] == "Vulnerabilities: 30 (HIGH: 30)"
    assert "… and 5 more; -o json lists all" in text


def test_one_package_at_two_places_is_one_line() -> None:
    """What would be said twice in the same words is said once."""
    assert len(rows(shown(a_vulnerability(), a_vulnerability()))) == 1


def test_an_image_without_any_says_so() -> None:
    """And has no table."""
    assert shown() == "Vulnerabilities: 0\n"


def test_text_of_an_image_cannot_move_the_cursor() -> None:
    """Control characters in a name or a version are shown, not obeyed, and markup is text."""
    text = shown(a_vulnerability("CVE-1\x1b[2J", package="[red]a\r[/red]", owner="deb/\x07"))
    assert not any(character in text for character in "\x1b\r\x07")
    assert "[red]a\\x0d[/red] (deb/\\x07)" in text


def test_a_record_that_says_little_is_listed() -> None:
    """A field that is not there is no reason to hide the vulnerability."""
    assert rows(shown({"id": "CVE-1"}, {"id": "CVE-2", "severity": "HUGE"})) == [
        ["CVE-1", "UNKNOWN", "not", "fixed"],
        ["CVE-2", "UNKNOWN", "not", "fixed"],
    ]
