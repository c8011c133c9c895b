"""Packages of portage."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.ebuild import MAX_BYTES, EbuildCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError

cataloger = EbuildCataloger()


@pytest.mark.parametrize(
    ("directory", "name", "version", "purl"),
    [
        ("app-containers/skopeo-1.5.1", "app-containers/skopeo", "1.5.1", "pkg:ebuild/app-containers/skopeo@1.5.1"),
        ("dev-libs/libxml2-2.9.14-r1", "dev-libs/libxml2", "2.9.14-r1", "pkg:ebuild/dev-libs/libxml2@2.9.14-r1"),
        ("x11-libs/gtk+-3.24", "x11-libs/gtk+", "3.24", "pkg:ebuild/x11-libs/gtk%2B@3.24"),
        ("a/foo-2-1.0_rc3_p2b-r3", None, None, None),
        ("a/foo-2bar-1.0b_rc3_p2-r3", "a/foo-2bar", "1.0b_rc3_p2-r3", "pkg:ebuild/a/foo-2bar@1.0b_rc3_p2-r3"),
        ("acct-user/root-0-r1", "acct-user/root", "0-r1", "pkg:ebuild/acct-user/root@0-r1"),
        ("virtual/ssh", None, None, None),
        ("a/-MERGING-foo-1.0", None, None, None),
    ],
)
def test_a_package_is_where_it_is(directory: str, name: str | None, version: str | None, purl: str | None) -> None:
    """Its category is a part of its name. One that portage has not finished with, or could not have made, is not known."""
    path = f"var/db/pkg/{directory}/CONTENTS"
    assert cataloger.wants(path, 10)
    if name is None:
        with pytest.raises(DamagedDatabaseError):
            database_of(cataloger, path, b"obj /bin/x 0 0\n")
        return
    database = database_of(cataloger, path, b"obj /bin/x 0 0\n")
    assert database is not None
    (package,) = database.packages
    assert (package.name, package.version, package.purl) == (name, version, purl)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("opt/root/var/db/pkg/a/b-1/CONTENTS", True),
        ("db/pkg/a/b-1/CONTENTS", True),
        ("var/db/pkg/a/b-1/c/CONTENTS", False),
        ("var/db/pkg/a/CONTENTS", False),
        ("var/db/pkg/a/b-1/PF", False),
        ("CONTENTS", False),
    ],
)
def test_it_is_known_by_its_place(path: str, wanted: bool) -> None:
    """Two directories below that of all."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
