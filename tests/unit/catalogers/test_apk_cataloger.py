"""Alpine's package database."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.apk import ApkCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, PartlyReadError

INSTALLED = b"""C:Q1abc=
P:libcrypto3
V:3.3.2-r0
A:x86_64
S:1700000
I:4000000
T:Crypto library from openssl
U:https://www.openssl.org/
L:Apache-2.0
o:openssl
m:Ariadne Conill <ariadne@dereferenced.org>
t:1725000000
F:lib
R:libcrypto.so.3
a:0:0:755
Z:Q1def=

P:musl
V:1.2.5-r0
A:x86_64
L:MIT

"""

cataloger = ApkCataloger()


def test_packages_with_origin_and_licence() -> None:
    """The origin is the name that Alpine's advisories use; without one it is the package's own."""
    database = database_of(cataloger, "lib/apk/db/installed", INSTALLED)
    assert database is not None
    assert database.system
    crypto, musl = database.packages
    assert (crypto.name, crypto.version, crypto.source, crypto.licenses) == ("libcrypto3", "3.3.2-r0", "openssl", ("Apache-2.0",))
    assert crypto.purl == "pkg:apk/libcrypto3@3.3.2-r0?arch=x86_64"
    assert musl.source == "musl"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("lib/apk/db/installed", True),
        ("usr/lib/apk/db/installed", True),
        ("rootfs/lib/apk/db/installed", True),
        ("var/db/installed", False),
        ("mylib/apk/db/installed", False),
    ],
)
def test_places(path: str, wanted: bool) -> None:
    """Both homes of the database, below any root."""
    assert cataloger.wants(path, 1) is wanted


@pytest.mark.parametrize("stanza", [b"P:evil\n", b"V:1\n", b"A:x86_64\nL:MIT\n", b"P:evil\nV:1\nP:good\n", b"P:evil\nV:1\nV:2\n"])
def test_what_cannot_be_read_of_a_database_is_said(stanza: bytes) -> None:
    """The packages that can be read are listed all the same."""
    with pytest.raises(PartlyReadError, match="lib/apk/db/installed: ") as raised:
        database_of(cataloger, "lib/apk/db/installed", INSTALLED + stanza)
    assert [package.name for package in raised.value.facts[0].packages][:2] == ["libcrypto3", "musl"]


def test_any_short_line_ends_a_package() -> None:
    """As apk reads it."""
    database = database_of(cataloger, "lib/apk/db/installed", b"P:a\nV:1\n \nP:b\nV:2\n\n\nF:usr\n")
    assert database is not None
    assert [package.name for package in database.packages] == ["a", "b"]


def test_a_database_that_is_none_is_damaged() -> None:
    """apk-tools 3 may write a binary form there; then nothing is known of the packages."""
    with pytest.raises(DamagedDatabaseError):
        database_of(cataloger, "lib/apk/db/installed", b"ADBd" + bytes(100))
    empty = database_of(cataloger, "lib/apk/db/installed", b"")
    assert empty is not None
    assert empty.packages == ()
