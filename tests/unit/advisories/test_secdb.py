"""Alpine's security database: what each version of a package mends."""

import json
from typing import Any

import pytest

from watcher.advisories.formats import secdb
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Advisory, Affected, Interval, Malformed, Record


def records(packages: list[Any], **head: str) -> list[Record]:
    document = {"distroversion": "v3.19", "reponame": "main", **head, "packages": packages}
    return list(secdb.read(json.dumps(document).encode(), name="main.json"))


def package(name: str, secfixes: Any) -> dict[str, Any]:
    return {"pkg": {"name": name, "secfixes": secfixes}}


def affected(name: str, fixed: str) -> Affected:
    return Affected(ecosystem="Alpine:v3.19", package=name, intervals=(Interval(fixed=fixed),))


def test_a_vulnerability_is_one_record_over_all_packages() -> None:
    """OSV calls it ALPINE-CVE; its name is the CVE, and every package that it is in is affected up to its fix."""
    assert records([package("curl", {"8.5.0-r0": ["CVE-2023-46218"]}), package("libcurl", {"8.5.1-r0": ["CVE-2023-46218"]})]) == [
        Advisory(
            id="ALPINE-CVE-2023-46218",
            aliases=("CVE-2023-46218",),
            affected=(affected("curl", "8.5.0-r0"), affected("libcurl", "8.5.1-r0")),
        )
    ]


def test_version_0_says_that_the_package_never_was_affected() -> None:
    """It is about no version, so there is no record."""
    assert records([package("openssl", {"0": ["CVE-2022-3358"]})]) == []


def test_names_in_one_entry_are_of_one_vulnerability() -> None:
    """The CVE id comes first, wherever it stood, and remarks are no names."""
    (advisory,) = records([package("xen", {"4.17.2-r3": ["XSA-440 CVE_2023-34323 (+ regression fix)"]})])
    assert isinstance(advisory, Advisory)
    assert (advisory.id, advisory.aliases) == ("ALPINE-CVE-2023-34323", ("CVE-2023-34323", "XSA-440"))


def test_two_cve_ids_in_one_entry_stay_two_vulnerabilities() -> None:
    """To call one the alias of the other would let an exception for one hide the other."""
    both = records([package("curl", {"1-r0": ["CVE-2023-0001 CVE-2023-0002 GHSA-aaaa-bbbb-cccc"]})])
    assert [record.aliases for record in both if isinstance(record, Advisory)] == [
        ("CVE-2023-0001",),
        ("CVE-2023-0002",),
        ("GHSA-aaaa-bbbb-cccc",),
    ]


def test_an_id_that_is_no_cve_is_a_name_too() -> None:
    """Many entries are of Xen's or GnuTLS's own numbering."""
    (advisory,) = records([package("gnutls", {"3.7.7-r0": ["GNUTLS-SA-2020-09-04"]})])
    assert isinstance(advisory, Advisory)
    assert advisory.id == "ALPINE-GNUTLS-SA-2020-09-04"


@pytest.mark.parametrize(
    ("host", "ecosystem"), [("https://packages.wolfi.dev", "Wolfi"), ("https://packages.cgr.dev/chainguard", "Chainguard")]
)
def test_a_distribution_without_releases_is_told_by_its_host(host: str, ecosystem: str) -> None:
    """Wolfi and Chainguard publish the same shape, and name no version of themselves."""
    (advisory,) = records([package("git", {"2.40.1-r0": ["CVE-2023-25652"]})], distroversion="", urlprefix=host)
    assert isinstance(advisory, Advisory)
    assert advisory.affected[0].ecosystem == ecosystem
    assert advisory.id == f"{ecosystem.upper()}-CVE-2023-25652"


def test_a_damaged_package_costs_no_other() -> None:
    """It is named by its place; what is no id, by its text."""
    damaged, no_id, advisory = records(
        [{"pkg": {"secfixes": {}}}, package("a", {"1-r0": ["CVE-2023-0001", "???"]}), package("empty", None)]
    )
    assert isinstance(damaged, Malformed)
    assert damaged.where == "main.json packages[0]"
    assert no_id == Malformed(where="a 1-r0", reason="'???' is no id")
    assert isinstance(advisory, Advisory)


OTHERS = [
    b"",
    b"{}",
    b"[]",
    b'{"packages": []}',
    b'{"packages": {}, "distroversion": "v3.19"}',
    b'{"packages": "\xff"}',
    b"[" * 50_000,
]


@pytest.mark.parametrize("other", OTHERS)
def test_another_document_is_not_secdb(other: bytes) -> None:
    """Without packages and a release there is nothing that a package could be compared with."""
    with pytest.raises(NotThisFormatError):
        list(secdb.read(other, name="other.json"))
