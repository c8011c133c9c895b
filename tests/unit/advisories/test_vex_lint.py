"""VEX statements that do nothing are told from those that do, with what they may have meant."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.advisory_data import advisory_data, at, osv, until
from tests.doubles.verdicts import IMAGE
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.record import Statement
from watcher.advisories.vex_lint import (
    MATCHES_NOTHING,
    NOT_AFFECTED_ANYWAY,
    UNJUSTIFIED,
    UNKNOWN_VULNERABILITY,
    Held,
    Remark,
    images_wanted,
    names_wanted,
    remarks_on,
)
from watcher.model.digest import Digest
from watcher.model.inventory import Distro, PackageRecord
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Subject

DEBIAN = Distro(id="debian", version="12", known=True)
LIBCURL = PackageRecord(
    type="deb",
    name="libcurl4",
    version="7.0-1",
    source="curl",
    source_version="7.0-1",
    purl="pkg:deb/debian/libcurl4@7.0-1?arch=amd64&distro=debian-12",
)
FLASK = PackageRecord(type="pypi", name="Flask", version="1.0", source="flask", purl="pkg:pypi/flask@1.0")
APP = Subject(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=IMAGE, tags=(Tag("v1"),))
HELD = (Held(record=LIBCURL, distro=DEBIAN), Held(record=FLASK, distro=DEBIAN))
IN_APP = (Held(record=LIBCURL, distro=DEBIAN, subject=APP),)


@pytest.fixture
def data(tmp_path: Path) -> AdvisoryFile:
    return AdvisoryFile(
        advisory_data(
            tmp_path,
            osv("CVE-2026-1000", at("Debian:12", "curl", *until("8.0-1")), aliases=["GHSA-curl-curl-curl"]),
            osv("CVE-2026-2000", at("Debian:12", "curl", *until("6.0-1"))),
            osv("CVE-2026-3000", at("PyPI", "flask", *until("2"))),
        )
    )


def remarks(
    data: AdvisoryFile,
    product: str,
    *,
    parts: tuple[str, ...] = (),
    identifier: str = "CVE-2026-1000",
    held: Sequence[Held] = HELD,
    subjects: Sequence[Subject] = (),
    status: str = "affected",
) -> list[Remark]:
    said = Statement(ids=(identifier,), products=(product,), parts=parts, status=status)
    return list(remarks_on(said, held, subjects, data))


@pytest.mark.parametrize(
    ("product", "identifier"),
    [
        ("pkg:deb/debian/libcurl4", "CVE-2026-1000"),
        ("pkg:deb/debian/libcurl4@7.0-1?distro=debian-12", "GHSA-curl-curl-curl"),
        ("pkg:deb/debian/curl?arch=source", "CVE-2026-1000"),
        ("pkg:pypi/flask@1.0", "CVE-2026-3000"),
    ],
)
def test_a_statement_that_does_something_is_not_remarked_on(data: AdvisoryFile, product: str, identifier: str) -> None:
    """Under any name of the vulnerability."""
    assert remarks(data, product, identifier=identifier) == []


@pytest.mark.parametrize(
    ("product", "difference"),
    [
        ("pkg:deb/debian/libcurl4@7.0-2", "version 7.0-1, not 7.0-2"),
        ("pkg:deb/ubuntu/libcurl4", "debian/libcurl4, not ubuntu/libcurl4"),
        ("pkg:apk/alpine/libcurl4", "of type deb, not apk"),
        ("pkg:deb/debian/libcurl4?distro=debian-11", "distro debian-12, not debian-11"),
        ("pkg:deb/debian/libcurl4?arch=arm64", "arch amd64, not arm64"),
        ("pkg:deb/debian/curl", "debian/curl is its source package, which `?arch=source` names"),
    ],
)
def test_what_differs_in_one_thing_is_shown(data: AdvisoryFile, product: str, difference: str) -> None:
    """The package that is held, and what of it is not what was written."""
    (remark,) = remarks(data, product)
    assert remark.kind == MATCHES_NOTHING
    assert remark.near == (f"{LIBCURL.purl} is held: {difference}",)


def test_what_nobody_holds_has_nothing_near(data: AdvisoryFile) -> None:
    """It may be about an image that is not there yet."""
    (remark,) = remarks(data, "pkg:deb/debian/nginx")
    assert (remark.kind, remark.near) == (MATCHES_NOTHING, ())


def test_a_vulnerability_that_nobody_knows_is_named_with_those_like_it(data: AdvisoryFile) -> None:
    """Of those about the package: a digit may be wrong."""
    (remark,) = remarks(data, "pkg:deb/debian/libcurl4", identifier="CVE-2026-1001")
    assert (remark.kind, remark.text) == (UNKNOWN_VULNERABILITY, "no advisory is called CVE-2026-1001")
    assert remark.near == ("CVE-2026-1000",)


def test_both_may_be_wrong(data: AdvisoryFile) -> None:
    """Ids that are like it are looked for among those of the package that is like it."""
    unknown, nothing = remarks(data, "pkg:deb/ubuntu/libcurl4", identifier="CVE-2026-1001")
    assert (unknown.kind, unknown.near[0]) == (UNKNOWN_VULNERABILITY, "CVE-2026-1000")
    assert nothing.kind == MATCHES_NOTHING


@pytest.mark.parametrize(
    ("identifier", "near"), [("CVE-2026-2000", "it is about curl (Debian:12)"), ("CVE-2026-3000", "it is about flask (PyPI)")]
)
def test_what_is_not_affected_needs_no_statement(data: AdvisoryFile, identifier: str, near: str) -> None:
    """It is mended already, or the vulnerability is another package's."""
    (remark,) = remarks(data, "pkg:deb/debian/libcurl4", identifier=identifier)
    assert (remark.kind, remark.near) == (NOT_AFFECTED_ANYWAY, (near,))


def test_an_image_is_found_by_its_name(data: AdvisoryFile) -> None:
    """And its packages in it; one with another digest or tag is near."""
    product = "pkg:oci/app?repository_url=registry.example.com/team"
    part = ("pkg:deb/debian/libcurl4",)
    assert remarks(data, product, parts=part, held=IN_APP, subjects=[APP]) == []
    assert remarks(data, "registry.example.com/team/app:v1", held=IN_APP, subjects=[APP]) == []
    (remark,) = remarks(data, "registry.example.com/team/app:v2", parts=part, held=IN_APP, subjects=[APP])
    assert remark.kind == MATCHES_NOTHING
    assert remark.near == (
        f"{LIBCURL.purl} is held: in other images than its products",
        f"registry.example.com/team/app@{IMAGE} (v1) is held: another image than registry.example.com/team/app:v2",
    )


def test_images_beyond_a_few_are_not_shown(data: AdvisoryFile) -> None:
    """A repository has hundreds."""
    many = [replace(APP, digest=Digest(f"sha256:{number:064}")) for number in range(100)]
    (remark,) = remarks(data, "registry.example.com/team/app:v2", subjects=many)
    assert len(remark.near) == 5


def test_not_affected_wants_a_justification(data: AdvisoryFile) -> None:
    """It counts all the same, but not where a rule asks for one."""
    assert [each.kind for each in remarks(data, "pkg:deb/debian/libcurl4", status="not_affected")] == [UNJUSTIFIED]


def test_what_is_looked_for_is_what_is_named() -> None:
    """Packages with their namespaces and without, images by the last part of their repository."""
    said = Statement(
        ids=("CVE-2026-1000",),
        products=("pkg:oci/app?tag=v1", "registry.example.com/team/web:1@sha256:2", "pkg:golang/example.com/a/b@v1"),
        parts=("pkg:npm/%40a/b@1",),
        status="fixed",
    )
    assert names_wanted(said) == {"example.com/a/b", "b", "@a/b"}
    assert images_wanted(said) == {"app", "web"}
