"""Which packages and images a VEX statement is about."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.verdicts import IMAGE
from watcher.advisories.vex import names_image, names_package, parse_purl
from watcher.model.inventory import PackageRecord
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Subject

SUBJECT = Subject(registry=Host("registry.example.com"), repository=RepositoryName("team/app"), digest=IMAGE, tags=(Tag("v1"),))
LIBCURL = {
    "type": "deb",
    "name": "libcurl4",
    "version": "7.0-1+b1",
    "source": "curl",
    "source_version": "7.0-1",
    "purl": "pkg:deb/debian/libcurl4@7.0-1%2Bb1?arch=amd64&distro=debian-12",
}
GIT_CORE = {
    "type": "rpm",
    "name": "git-core",
    "version": "1:2.39.3-1.el9",
    "architecture": "x86_64",
    "source": "git",
    "source_version": "2.39.3-1.el9",
    "purl": "pkg:rpm/redhat/git-core@2.39.3-1.el9?arch=x86_64&distro=rhel-9.4&epoch=1&upstream=git-2.39.3-1.el9.src.rpm",
}
SCOPED = {"type": "npm", "name": "@a/b", "version": "1.0.0", "purl": "pkg:npm/%40a/b@1.0.0"}


@pytest.mark.parametrize(
    ("purl", "record", "expected"),
    [
        ("pkg:deb/debian/libcurl4", LIBCURL, True),
        ("pkg:deb/debian/libcurl4@7.0-1%2Bb1", LIBCURL, True),
        ("pkg:deb/debian/libcurl4@7.0-1+b1?arch=amd64", LIBCURL, True),
        ("pkg:deb/debian/libcurl4@7.0-2", LIBCURL, False),
        ("pkg:deb/debian/libcurl4?arch=arm64", LIBCURL, False),
        ("pkg:deb/debian/libcurl4?distro=debian-11", LIBCURL, False),
        ("pkg:deb/ubuntu/libcurl4", LIBCURL, False),
        ("pkg:rpm/debian/libcurl4", LIBCURL, False),
        ("pkg:deb/debian/curl?arch=source", LIBCURL, True),
        ("pkg:deb/debian/curl@7.0-1?arch=source", LIBCURL, True),
        ("pkg:deb/debian/curl@7.0-2?arch=source", LIBCURL, False),
        ("pkg:deb/debian/curl", LIBCURL, False),
        ("pkg:rpm/redhat/git-core", GIT_CORE, True),
        ("pkg:rpm/redhat/git-core@2.39.3-1.el9?arch=x86_64&epoch=1", GIT_CORE, True),
        ("pkg:rpm/redhat/git@2.39.3-1.el9?arch=src", GIT_CORE, True),
        ("pkg:rpm/redhat/git@2.39.3-1.el9", GIT_CORE, False),
        ("pkg:npm/%40a/b", SCOPED, True),
        ("pkg:npm/@a/b@1.0.0", SCOPED, True),
        ("pkg:npm/%40a/b@2.0.0", SCOPED, False),
        ("pkg:npm/b", SCOPED, False),
        ("libcurl4", LIBCURL, False),
        ("", LIBCURL, False),
    ],
)
def test_a_purl_names_a_package(purl: str, record: dict[str, Any], expected: bool) -> None:
    """The same type, namespace and name, and the version, architecture and distribution where it says one."""
    assert names_package(purl, PackageRecord(**record)) is expected


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("registry.example.com/team/app", True),
        ("registry.example.com/team/app:v1", True),
        ("registry.example.com/team/app:v2", False),
        (f"registry.example.com/team/app@{IMAGE}", True),
        (IMAGE, True),
        (f"pkg:oci/app@{IMAGE}", True),
        (f"pkg:oci/app@{IMAGE}".replace(":", "%3A").replace("pkg%3A", "pkg:"), True),
        (f"pkg:oci/other@{IMAGE}", False),
        (f"pkg:oci/app@sha256:{'0' * 64}", False),
        ("pkg:oci/app?repository_url=registry.example.com/team/app", True),
        ("pkg:oci/app?repository_url=registry.example.com%2Fteam", True),
        ("pkg:oci/app?repository_url=elsewhere.example.com/team/app", False),
        ("pkg:oci/app?repository_url=registry.example.com/team/app&tag=v1", True),
        ("pkg:oci/app?repository_url=registry.example.com/team/app&tag=v9", False),
        # The same name anywhere: it could be anybody's.
        ("pkg:oci/app", False),
    ],
)
def test_a_product_names_an_image(product: str, expected: bool) -> None:
    assert names_image(product, SUBJECT) is expected


@given(st.text(max_size=80) | st.text(max_size=40).map(lambda text: f"pkg:{text}"))
def test_any_text_is_a_purl_or_none(text: str) -> None:
    parse_purl(text)
    names_image(text, SUBJECT)
    names_package(text, PackageRecord(**LIBCURL))  # type: ignore[arg-type]
