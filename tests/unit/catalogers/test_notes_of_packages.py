"""Notes of packages that linkers of distributions leave in executables."""

import json
from struct import pack

import pytest

from tests.doubles.cataloging import database_of, facts_of
from tests.doubles.executables import elf
from watcher.inspection.catalogers.native import NativeCataloger
from watcher.inspection.catalogers.protocol import PartlyReadError
from watcher.model.inventory import PackageRecord

cataloger = NativeCataloger()
PATH = "usr/lib64/libx.so.1"
FEDORA = {
    "type": "rpm",
    "name": "coreutils",
    "version": "9.4-6.fc40",
    "architecture": "x86_64",
    "osCpe": "cpe:/o:fedoraproject:fedora:40",
}


def note(text: bytes, order: str = "<") -> bytes:
    return pack(f"{order}III", 4, len(text), 0xCAFE1A7E) + b"FDO\0" + text


def packages(*bodies: object, piece: int = 0) -> tuple[PackageRecord, ...]:
    content = elf(b"".join(note(json.dumps(body).encode() + b"\0\0") for body in bodies))
    return tuple(package for database in facts_of(cataloger, PATH, content, piece=piece) for package in database.packages)


@pytest.mark.parametrize("piece", [0, 1, 13])
def test_a_note_says_what_package_it_was_built_for(piece: int) -> None:
    """And for what distribution, which the image need not be."""
    (package,) = packages(FEDORA, piece=piece)
    assert (package.type, package.name, package.version, package.architecture) == ("rpm", "coreutils", "9.4-6.fc40", "x86_64")
    assert package.purl == "pkg:rpm/fedora/coreutils@9.4-6.fc40?arch=x86_64&distro=fedora-40"


@pytest.mark.parametrize(
    ("body", "purl"),
    [
        ({"type": "deb", "os": "ubuntu", "name": "sed", "version": "4.9-2"}, "pkg:deb/ubuntu/sed@4.9-2?distro=ubuntu"),
        (
            {"type": "deb", "os": "debian", "osVersion": "13", "name": "sed", "version": "4.9-2"},
            "pkg:deb/debian/sed@4.9-2?distro=debian-13",
        ),
        ({"type": "testfixture", "name": "app", "version": "1"}, "pkg:generic/app@1"),
        ({"name": "app", "version": "1", "osCpe": "cpe:2.3:o:v:p:2:*"}, "pkg:generic/p/app@1?distro=p-2"),
        ({"name": "app", "version": "1", "osCpe": "nothing"}, "pkg:generic/app@1"),
        ({"name": "app", "version": "1", "license": "MIT", "unknown": [1]}, "pkg:generic/app@1"),
    ],
)
def test_what_a_note_may_say(body: object, purl: str) -> None:
    """Its kind of package where we know one, its distribution in either of two ways."""
    (package,) = packages(body)
    assert package.purl == purl
    assert package.licenses == (("MIT",) if "MIT" in str(body) else ())


def test_numbers_of_a_note_may_begin_with_their_highest_byte() -> None:
    """As on s390x."""
    database = database_of(cataloger, PATH, elf(note(b'{"name":"a","version":"1"}', ">")))
    assert database is not None


def test_the_mark_alone_is_no_note() -> None:
    """As in programs that read notes."""
    assert facts_of(cataloger, PATH, elf(note(b"") + note(b"text") + note(b"{" * 20_000) + note(b"{}")[:14])) == ()


@pytest.mark.parametrize("text", [b'{"name":1}', b'{"name":"a"}', b"{" * 2000, b'{"name":"\xff"}'])
def test_a_damaged_note_is_no_silence(text: bytes) -> None:
    """It is one by where it is."""
    with pytest.raises(PartlyReadError, match="note of a package"):
        facts_of(cataloger, PATH, elf(note(text)))


def test_notes_without_end_are_no_silence() -> None:
    """Only so many are held."""
    with pytest.raises(PartlyReadError, match="more notes"):
        packages(*({"name": f"a{number}", "version": "1"} for number in range(99)))
