"""Licences of Gentoo's packages."""

import pytest

from tests.doubles.cataloging import facts_of
from watcher.inspection.catalogers.ebuild_licence import MAX_BYTES, MAX_LICENCES, EbuildLicenceCataloger
from watcher.inspection.image.licence_expressions import expressions
from watcher.model.inventory import Note

PATH = "var/db/pkg/app-shells/bash-5.2_p26-r1/LICENSE"
cataloger = EbuildLicenceCataloger()


def licences(text: str) -> tuple[str, ...]:
    """As expressions, which is what an image's packages have."""
    return expressions(tuple(name for note in facts_of(cataloger, PATH, text.encode()) for name in note.licenses))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GPL-3+\n", ("GPL-3.0-or-later",)),
        ("GPL-2\n", ("GPL-2.0-only",)),
        ("BSD", ("BSD-3-Clause",)),
        ("LGPL-2.1+ FDL-1.1+ rc\n", ("LGPL-2.1-or-later", "GFDL-1.1-or-later", "LicenseRef-rc")),
        ("|| ( Artistic GPL-1+ )", ("Artistic-1.0-Perl OR GPL-1.0-or-later",)),
        ("MIT || ( ( GPL-2 BSD-2 ) ZLIB )", ("MIT", "(GPL-2.0-only AND BSD-2-Clause) OR Zlib")),
        ("( MIT ISC )", ("MIT AND ISC",)),
        ("|| ( MIT )", ("MIT",)),
        ("|| ( )", ()),
        ("openssl POSTGRESQL PSF-2 icu", ("OpenSSL", "PostgreSQL", "PSF-2.0", "ICU")),
        ("GPL-2-with-classpath-exception", ("GPL-2.0-only WITH Classpath-exception-2.0",)),
        ("Apache-2.0-with-LLVM-exceptions UoI-NCSA", ("Apache-2.0 WITH LLVM-exception", "NCSA")),
        ("ssl? ( openssl ) GPL-2", ("OpenSSL", "GPL-2.0-only")),
        ("public-domain", ("LicenseRef-public-domain",)),
        ("MIT MIT", ("MIT",)),
    ],
)
def test_terms_are_licences(text: str, expected: tuple[str, ...]) -> None:
    assert licences(text) == expected


@pytest.mark.parametrize("text", ["", "( MIT", "MIT )", "|| ( ( MIT )", "( " * 50_000, "( " * 40 + "MIT" + " )" * 40])
def test_what_is_no_list_says_nothing(text: str) -> None:
    assert facts_of(cataloger, PATH, text.encode()) == ()


def test_a_list_of_licences_is_not_that_of_one_package() -> None:
    (note,) = facts_of(cataloger, PATH, " ".join(f"font-{number}" for number in range(500)).encode())
    assert isinstance(note, Note)
    assert len(note.licenses) == MAX_LICENCES


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH, True),
        ("srv/root/var/db/pkg/a/b-1/LICENSE", True),
        ("var/db/pkg/a/LICENSE", False),
        ("var/db/pkg/a/b-1/c/LICENSE", False),
        ("usr/share/a/b/LICENSE", False),
        ("LICENSE", False),
    ],
)
def test_it_is_known_by_its_place(path: str, wanted: bool) -> None:
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
