"""Packages of opkg."""

import pytest

from tests.doubles.cataloging import database_of, facts_of
from watcher.inspection.catalogers.opkg import MAX_BYTES, OpkgCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, PartlyReadError
from watcher.model.inventory import PackageRecord

cataloger = OpkgCataloger()
STATUS = "usr/lib/opkg/status"
CONTROL = "usr/lib/opkg/info/curl.control"
CURL = b"""Package: curl
Version: 8.7.1-r1
Depends: libc, libcurl4
Source: feeds/packages/net/curl
SourceName: curl-source
License: MIT
Maintainer: Someone <a@openwrt.org>
Architecture: x86_64
Description:  A client-side URL transfer utility
 Package: of another one
"""


def test_all_that_a_package_says_is_kept() -> None:
    """Its source is not where that lies."""
    database = database_of(cataloger, CONTROL, CURL)
    assert database is not None
    assert not database.system
    assert database.packages == (
        PackageRecord(
            type="opkg",
            name="curl",
            version="8.7.1-r1",
            architecture="x86_64",
            source="curl-source",
            source_version="8.7.1-r1",
            licenses=("MIT",),
            maintainer="Someone <a@openwrt.org>",
            purl="pkg:opkg/curl@8.7.1-r1?arch=x86_64",
        ),
    )


def test_a_status_lists_what_is_there() -> None:
    """Whatever was wished for."""
    states = [b"install user installed", b"deinstall ok not-installed", b"install user unpacked", b"install user config-files"]
    content = b"\n".join(b"Package: p%d\nVersion: 1\nStatus: %s\n" % each for each in enumerate(states))
    database = database_of(cataloger, STATUS, content)
    assert database is not None
    assert database.system
    assert [each.name for each in database.packages] == ["p0", "p2"]
    assert facts_of(cataloger, STATUS, b"")[0].packages == ()


@pytest.mark.parametrize("path", [STATUS, CONTROL])
def test_what_is_no_list_of_packages_is_damaged(path: str) -> None:
    """And one without a version is not all that is known."""
    with pytest.raises(DamagedDatabaseError):
        facts_of(cataloger, path, b"no package")
    with pytest.raises(PartlyReadError):
        facts_of(cataloger, path, b"Package: a\n\nPackage: b\nVersion: 1\n")
    assert facts_of(cataloger, CONTROL, b"") == ()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (STATUS, True),
        (CONTROL, True),
        ("opt/lib/ipkg/status", True),
        ("srv/ipkg/info/a.control", True),
        ("var/lib/dpkg/status", False),
        ("usr/lib/opkg/info/curl.list", False),
        ("usr/lib/opkg/curl.control", False),
    ],
)
def test_its_files_are_known_by_where_they_are(path: str, wanted: bool) -> None:
    """Below any root."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
