"""Packages of pacman."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.alpm import MAX_BYTES, AlpmCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.inspection.catalogers.purl import with_distro
from watcher.model.inventory import Distro, PackageRecord

cataloger = AlpmCataloger()
PLACE = "var/lib/pacman/local/gcc-libs-1:14.2.1-3/desc"
DESC = b"""%NAME%
gcc-libs

%VERSION%
1:14.2.1-3

%BASE%
gcc

%DESC%
%NAME%

%ARCH%
x86_64

%PACKAGER%
A Packager <a@archlinux.org>

%LICENSE%
GPL-3.0-with-GCC-exception
GFDL-1.3-or-later

%DEPENDS%
glibc>=2.27

"""


def package(content: bytes, path: str = PLACE) -> PackageRecord:
    database = database_of(cataloger, path, content)
    assert database is not None
    assert not database.system
    (found,) = database.packages
    return found


def test_all_that_a_package_says_is_kept() -> None:
    """Its base is the source package, and a purl has the distribution once that is known."""
    found = package(DESC)
    assert found == PackageRecord(
        type="alpm",
        name="gcc-libs",
        version="1:14.2.1-3",
        architecture="x86_64",
        source="gcc",
        source_version="1:14.2.1-3",
        licenses=("GPL-3.0-with-GCC-exception", "GFDL-1.3-or-later"),
        maintainer="A Packager <a@archlinux.org>",
        purl="pkg:alpm/gcc-libs@1:14.2.1-3?arch=x86_64&upstream=gcc",
    )
    arch = Distro(id="arch", known=True)
    assert with_distro(found, arch).purl == "pkg:alpm/arch/gcc-libs@1:14.2.1-3?arch=x86_64&distro=arch&upstream=gcc"


@pytest.mark.parametrize("content", [b"", b"%NME%\ngcc-libs\n", b"%NAME%\n\ngcc\n%VERSION%\n"])
def test_the_name_of_the_directory_is_what_pacman_goes_by(content: bytes) -> None:
    """Where the file says nothing."""
    assert (package(content).name, package(content).version) == ("gcc-libs", "1:14.2.1-3")


def test_a_file_that_says_nothing_in_a_directory_that_does_not_either_is_damaged() -> None:
    """There is a package, and nobody knows which."""
    with pytest.raises(DamagedDatabaseError):
        package(b"%VERSION%\n1-1\n", "var/lib/pacman/local/x/desc")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PLACE, True),
        ("opt/pacman/local/a-1-1/desc", True),
        ("pacman/local/a-1-1/desc", True),
        ("var/lib/pacman/sync/a-1-1/desc", False),
        ("var/lib/pacman/local/desc", False),
        ("var/lib/pacman/local/a-1-1/files", False),
    ],
)
def test_only_the_local_database_lists_what_is_installed(path: str, wanted: bool) -> None:
    """The others list what there is to install."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
