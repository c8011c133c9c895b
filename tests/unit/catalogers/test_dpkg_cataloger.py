"""Debian's package databases."""

from hashlib import sha256

import pytest
import zstandard

from tests.doubles.cataloging import database_of, databases_among, facts_of
from watcher.inspection.catalogers.dpkg import MAX_BYTES, DpkgCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError, PartlyReadError
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES

STATUS = b"""Package: libstdc++6
Status: install ok installed
Priority: optional
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: gcc-12 (12.2.0-14+deb12u1)
Version: 1:12.2.0-14
Conffiles:
 /etc/a 0123456789abcdef0123456789abcdef
Description: GNU Standard C++ Library v3
 Package: not-a-field-but-a-continuation

Package: removed
Status: deinstall ok config-files
Architecture: all
Version: 1.0

Package: half-there
Status: install reinstreq half-installed
Architecture: all
Version: 1.0

Package: held
Status: hold ok installed
Architecture: all
Version: 2.0-1
"""

PATH = "var/lib/dpkg/status"
cataloger = DpkgCataloger()


def test_only_what_is_installed_counts() -> None:
    """A removed package whose configuration stays is not there; a held one is, and so are the files of one that is half there."""
    database = database_of(cataloger, PATH, STATUS)
    assert database is not None
    assert database.system
    assert [package.name for package in database.packages] == ["libstdc++6", "half-there", "held"]


def test_source_and_its_version_come_from_parentheses() -> None:
    """Advisories name the source package, whose version may differ from the binary's."""
    database = database_of(cataloger, PATH, STATUS)
    assert database is not None
    first, _, second = database.packages
    assert (first.source, first.source_version) == ("gcc-12", "12.2.0-14+deb12u1")
    assert (second.source, second.source_version) == ("held", "2.0-1")
    assert first.purl == "pkg:deb/libstdc%2B%2B6@1:12.2.0-14?arch=amd64"
    assert first.maintainer.startswith("Debian GCC Maintainers")


def test_a_file_of_distroless_needs_no_status() -> None:
    """In status.d the file itself says that its package is there, and it is nobody else's file."""
    path = "var/lib/dpkg/status.d/base-files"
    database = database_of(cataloger, path, b"Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\n")
    assert database is not None
    assert not database.system
    assert [package.name for package in database.packages] == ["base-files"]
    assert database_of(cataloger, path, b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n") is None


@pytest.mark.parametrize(
    ("status", "listed"),
    [
        ("install ok installed", True),
        ("deinstall ok installed", True),
        ("hold ok unpacked", True),
        ("install ok half-configured", True),
        ("install reinstreq half-installed", True),
        ("install ok triggers-awaited", True),
        ("install ok triggers-pending", True),
        ("purge ok not-installed", False),
        ("unknown ok not-installed", False),
        ("deinstall ok config-files", False),
        ("Deinstall OK Config-Files", False),
        ("install ok", True),
        ("install ok no-such-state", True),
        ("", True),
    ],
)
def test_whatever_is_not_said_to_be_gone_is_there(status: str, listed: bool) -> None:
    """Two states have no files on disk; what the first word wishes is not what is."""
    database = database_of(cataloger, PATH, f"Package: a\nStatus: {status}\nVersion: 1\n".encode())
    assert database is not None
    assert [package.name for package in database.packages] == ["a"] * listed
    without = database_of(cataloger, PATH, b"Package: a\nVersion: 1\n")
    assert without is not None
    assert [package.name for package in without.packages] == ["a"]


@pytest.mark.parametrize(
    "stanza",
    [
        b"PACKAGE: b\nSTATUS: install ok installed\nVERSION: 1\n",
        b"package:b\nstatus:install ok installed\nversion:1\n",
        b"Package :\t b \nVersion: \n 1\nStatus: install ok installed\n",
        b"Version:\n 1\n more\nDescription: x\n Package: no\nPackage: b\n",
    ],
)
def test_fields_are_written_in_more_than_one_way(stanza: bytes) -> None:
    """Dpkg takes names of either case, space around the colon, and a value that begins on the next line."""
    database = database_of(cataloger, PATH, stanza + b"\n" + STATUS)
    assert database is not None
    assert (database.packages[0].name, database.packages[0].version) == ("b", "1")


@pytest.mark.parametrize(
    ("stanza", "also"),
    [
        (b"Package: b\nStatus: install ok installed\n", False),
        (b"Package: b\nStatus: install ok installed\nVersion: \n", False),
        (b"Status: install ok installed\nVersion: 1\n", False),
        (b"Version: 1\n", False),
        (b"Package: b\nVersion: 1\nVersion: 2\n", True),
        (b"Package: b\nPackage: c\nVersion: 1\n", True),
        (b"Package: b\nVersion: 1\nStatus: deinstall ok config-files\nStatus: install ok installed\n", True),
    ],
)
def test_what_cannot_be_read_of_a_database_is_said(stanza: bytes, also: bool) -> None:
    """The packages that can be read are listed all the same."""
    with pytest.raises(PartlyReadError, match="var/lib/dpkg/status: ") as raised:
        database_of(cataloger, PATH, STATUS + b"\n" + stanza)
    (database,) = raised.value.facts
    assert [package.name for package in database.packages] == [
        "libstdc++6",
        "half-there",
        "held",
        *(["b"] * also),
    ]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("var/lib/dpkg/status", True),
        ("usr/lib/sysimage/dpkg/status", True),
        ("dpkg/status", True),
        ("var/lib/opkg/status", False),
        ("var/lib/notdpkg/status", False),
        ("proc/1/status", False),
        ("var/lib/dpkg/status.d/libc6", True),
        ("var/lib/dpkg/status.d/libc6.md5sums", False),
        ("srv/status.d/libc6", False),
    ],
)
def test_places(path: str, wanted: bool) -> None:
    """/var/lib/dpkg may be a link, so any directory called dpkg holds a database."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)


def test_an_empty_database_is_a_database() -> None:
    """An upper layer with an empty status file removes every package of the lower ones."""
    database = database_of(cataloger, PATH, b"\n")
    assert database is not None
    assert database.packages == ()


def test_a_database_that_is_none_is_damaged() -> None:
    """Nothing is known of the packages then, which is not the same as none."""
    with pytest.raises(DamagedDatabaseError):
        database_of(cataloger, PATH, b"\x7fELF" + b"\0" * 100)


def test_windows_line_ends_and_a_missing_last_blank_line() -> None:
    """A stanza ends at a blank line of either kind, or with the file."""
    content = (
        b"Package: a\r\nStatus: install ok installed\r\nVersion: 1\r\n\r\nPackage: b\r\nStatus: install ok installed\r\nVersion: 2"
    )
    database = database_of(cataloger, PATH, content)
    assert database is not None
    assert [(package.name, package.version) for package in database.packages] == [("a", "1"), ("b", "2")]


@pytest.mark.untraced
def test_the_number_of_packages_is_bounded() -> None:
    """A file made of package names is refused before it fills the memory."""
    content = b"".join(b"Package: p%d\nStatus: install ok installed\nVersion: 1\n\n" % number for number in range(MAX_PACKAGES + 1))
    with pytest.raises(DatabaseTooLargeError):
        database_of(cataloger, PATH, content)


def test_texts_are_bounded_and_printable() -> None:
    """A name of a megabyte with terminal escapes becomes a short text without them."""
    content = b"Package: \x1b[31m" + b"a" * 1_000_000 + b"\nStatus: install ok installed\nVersion: \xff1\n"
    database = database_of(cataloger, PATH, content)
    assert database is not None
    (package,) = database.packages
    assert len(package.name) <= 256
    assert package.name.isprintable()
    assert package.version == "\\xff1"


@pytest.mark.parametrize("content", [b"garbage", "Package: curl\nVersion: 1\n".encode("utf-16"), b"\xef\xbb\xbfVersion: 1\n"])
def test_a_file_of_status_d_that_is_no_package_is_damaged(content: bytes) -> None:
    """By its place it is one; but not what is beside a control file, nor one of a package that is not installed."""
    place = "var/lib/dpkg/status.d/"
    with pytest.raises((DamagedDatabaseError, PartlyReadError)):
        database_of(cataloger, f"{place}curl", content)
    assert database_of(cataloger, f"{place}curl", b"\n") is None
    assert database_of(cataloger, f"{place}curl", b"Package: curl\nStatus: deinstall ok config-files\nVersion: 1\n") is None
    assert [cataloger.wants(place + name, 1) for name in ("curl", "curl.md5sums", "curl.postinst")] == [True, False, False]


WALL = "var/lib/chisel/manifest.wall"
CUT = [
    b'{"kind":"content","slice":"base-files_base","path":"/package"}',
    b'{"kind":"package","name":"base-files","version":"13ubuntu10","sha256":"00","arch":"amd64"}',
    b'{"kind":"package","name":"libc6","version":"2.39-0ubuntu8","sha256":"00","arch":"amd64"}',
    b'{"kind":"path","path":"/etc/","mode":"0755","slices":["base-files_base"]}',
]


def wall(*lines: bytes, count: int | None = None) -> bytes:
    header = b'{"jsonwall":"1.0","schema":"1.0","count":%d}' % (len(lines) + 1 if count is None else count)
    return zstandard.compress(b"".join(line + b"\n" for line in (header, *lines)))


def cut(content: bytes) -> tuple[list[str], str]:
    """What is listed, and why it is not all that is known."""
    with pytest.raises(PartlyReadError) as raised:
        facts_of(cataloger, WALL, content)
    (database,) = databases_among(raised.value.facts)
    assert database.system
    return [f"{each.name} {each.version} {each.architecture} {each.purl}" for each in database.packages], str(raised.value)


def test_what_chisel_cut_out_is_listed() -> None:
    """But not by which source packages, which advisories are about."""
    packages, why = cut(wall(*CUT))
    assert packages == [
        "base-files 13ubuntu10 amd64 pkg:deb/base-files@13ubuntu10?arch=amd64",
        "libc6 2.39-0ubuntu8 amd64 pkg:deb/libc6@2.39-0ubuntu8?arch=amd64",
    ]
    assert why.endswith("without their source packages, by which advisories are found")


@pytest.mark.parametrize(
    "content",
    [
        wall(*CUT, count=9),
        wall(*CUT, *(sha256(b"%d" % each).hexdigest().encode() for each in range(9000)))[:-4],
        wall(*CUT, b'{"kind":"package","name":"x"}'),
        wall(*CUT, b'{"kind":"package"'),
        wall(*CUT, b'{"kind":"path","path":"' + b"x" * 70_000 + b'"}'),
    ],
)
def test_what_is_missing_of_a_manifest_is_said_too(content: bytes) -> None:
    """It says how many lines it has."""
    packages, why = cut(content)
    assert len(packages) == 2
    assert "more like it" in why


@pytest.mark.parametrize("content", [b"", b"no zstd", zstandard.compress(b"{}\n"), zstandard.compress(b"text")])
def test_what_is_no_manifest_of_chisel_is_damaged(content: bytes) -> None:
    """There is something of some package, and nobody knows of which."""
    with pytest.raises(DamagedDatabaseError):
        facts_of(cataloger, WALL, content)
