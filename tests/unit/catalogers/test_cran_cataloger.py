"""Installed packages of R."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.cran import MAX_BYTES, CranCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, PartlyReadError
from watcher.model.inventory import PackageRecord

cataloger = CranCataloger()
PATH = "usr/lib/R/library/Matrix/DESCRIPTION"

MATRIX = """Package: Matrix
Version: 1.5-3
Title: Sparse and Dense Matrix Classes and Methods
Maintainer: Martin Maechler <mmaechler+Matrix@gmail.com>
Authors@R: c(person("Douglas", "Bates", role = "aut")
 , person("Martin", "Maechler", role = c("aut", "cre"))
 )
Description: A rich hierarchy of matrix classes, including triangular,
   Version: of nothing
License: GPL (>= 2) | file LICENCE
Built: R 4.2.2; x86_64-pc-linux-gnu; 'Tue, 15 Nov 2022 14:08:08 -0600'; unix
"""


def packages(content: str, path: str = PATH) -> tuple[PackageRecord, ...]:
    database = database_of(cataloger, path, content.encode())
    return database.packages if database else ()


def test_an_installed_package_is_read() -> None:
    """Its licence is as R has it written."""
    (package,) = packages(MATRIX)
    assert (package.type, package.name, package.version, package.purl) == ("cran", "Matrix", "1.5-3", "pkg:cran/Matrix@1.5-3")
    assert package.licenses == ("GPL (>= 2) | file LICENCE",)
    assert package.maintainer == "Martin Maechler <mmaechler+Matrix@gmail.com>"


def test_the_source_of_a_package_is_not_installed() -> None:
    """R adds what it was built with; in its own library there is nothing else."""
    source = MATRIX.partition("Built")[0]
    assert packages(source, "srv/src/Matrix/DESCRIPTION") == ()
    assert len(packages(source)) == 1
    assert len(packages(MATRIX, "root/R/x86_64-pc-linux-gnu-library/4.2/Matrix/DESCRIPTION")) == 1
    assert packages("A text about this folder.\n", "srv/DESCRIPTION") == ()
    assert packages("Built: of stone\n", "srv/DESCRIPTION") == ()


def test_the_directory_says_the_name_where_the_file_does_not() -> None:
    """R finds a package by it."""
    (package,) = packages("Version: 1\n", "usr/local/lib/R/site-library/odd/DESCRIPTION")
    assert (package.name, package.licenses) == ("odd", ())


@pytest.mark.parametrize("content", ["", "x", "Package: a\n", "\xff" * 99])
def test_one_without_a_version_is_an_error_in_a_library(content: str) -> None:
    """There it must be a package."""
    with pytest.raises(DamagedDatabaseError, match="no version"):
        packages(content)
    with pytest.raises(DamagedDatabaseError, match="no version"):
        packages("Package: a\nBuilt: R 4\n", "srv/a/DESCRIPTION")


def test_two_versions_of_one_are_told() -> None:
    """Which one R takes depends on how it reads it."""
    with pytest.raises(PartlyReadError, match="more than one name or version of 'Matrix'") as raised:
        packages(MATRIX + "Version: 2\n")
    assert [each.version for each in raised.value.facts[0].packages] == ["1.5-3"]


def test_a_file_beyond_the_budget_is_not_wanted() -> None:
    """And only those of the very name are."""
    assert cataloger.wants(PATH, MAX_BYTES)
    assert not cataloger.wants(PATH, MAX_BYTES + 1)
    assert not cataloger.wants("usr/lib/R/library/Matrix/description", 1)
