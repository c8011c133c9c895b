"""Zips as they come by: in whatever way they are written, and where they are not what they seem."""

import struct

import pytest

from tests.doubles.archives import jar, pom_properties
from tests.doubles.cataloging import facts_of
from watcher.inspection.catalogers.jvm import JvmCataloger
from watcher.inspection.catalogers.protocol import PartlyReadError

cataloger = JvmCataloger()
POM = "META-INF/maven/g/a/pom.properties"
SCRIPT = b"#!/bin/bash\nexec java -jar $0\nPK\x03\x04\n"


def content(version: str = "1", **options: object) -> bytes:
    entries = {"x/": b"", "A.class": bytes(range(256)) * 40, POM: pom_properties("g", "a", version), "B.class": b"PK\x07\x08" * 9}
    return jar(entries, **options)  # type: ignore[arg-type]


def versions(archive: bytes, piece: int = 0) -> list[str]:
    return [each.version for database in facts_of(cataloger, "a.jar", archive, piece=piece) for each in database.packages]


def doubted(archive: bytes) -> tuple[str, list[str]]:
    with pytest.raises(PartlyReadError) as error:
        facts_of(cataloger, "a.jar", archive)
    return str(error.value), [each.version for database in error.value.facts for each in database.packages]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("sizes_behind", [False, True])
@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("prefix", [b"", SCRIPT])
def test_every_way_of_writing_one(*, stored: bool, sizes_behind: bool, zip64: bool, prefix: bytes) -> None:
    """Is read alike, in pieces of any size, with whatever before and behind it."""
    archive = content(stored=stored, sizes_behind=sizes_behind, zip64=zip64, prefix=prefix, comment=b"signed")
    for piece in (0, 1, 13, 4096):
        assert versions(archive, piece) == ["1"]
    assert versions(archive + b"\n") == ["1"]


@pytest.mark.parametrize("stored", [False, True])
def test_an_archive_in_one_whose_size_stands_behind_it(*, stored: bool) -> None:
    """What looks like its end within it is not taken for that."""
    inner = content(sizes_behind=True)
    archive = jar({"a.jar": inner, "b.jar": content("2")}, stored=stored, sizes_behind=True)
    for piece in (0, 7):
        assert versions(archive, piece) == ["1", "2"]


def test_descriptors_without_a_signature() -> None:
    """Which the specification allows."""
    archive = content(sizes_behind=True)
    signed = archive.replace(b"PK\x07\x08" * 9, b"")
    assert signed.count(b"PK\x07\x08") >= 3
    plain = bytearray()
    offsets = []
    directory = archive.index(b"PK\x01\x02")
    local = archive[:directory]
    for part in local.split(b"PK\x03\x04")[1:]:
        offsets.append(len(plain))
        before, _, after = part.rpartition(b"PK\x07\x08")
        plain += b"PK\x03\x04" + before + after
    tail = bytearray(archive[directory:])
    at = 0
    for offset in offsets:
        struct.pack_into("<I", tail, at + 42, offset)
        at = tail.find(b"PK\x01\x02", at + 4)
    end = tail.index(b"PK\x05\x06")
    struct.pack_into("<I", tail, end + 16, len(plain))
    for piece in (0, 1, 5):
        assert versions(bytes(plain + tail), piece) == ["1"]


def test_a_directory_that_lists_others() -> None:
    """The JVM goes by it; what its entries say is not taken for what runs."""
    archive = bytearray(content())
    archive[archive.rindex(b"A.class")] = ord("Z")
    said, found = doubted(bytes(archive))
    assert "does not list" in said
    assert found == ["1"]


def test_an_entry_that_is_not_listed() -> None:
    """As the directory of another archive would hide it."""
    with_it, without = content(), jar({"A.class": b"x"})
    directory = with_it.index(b"PK\x01\x02")
    assert "does not list" in doubted(with_it[:directory] + without[without.index(b"PK\x01\x02") :])[0]


def test_two_archives_in_one_file() -> None:
    """Java reads the last one, others the first: both are, and that is said."""
    said, found = doubted(content() + content("2"))
    assert "further entries" in said
    assert sorted(found) == ["1", "2"]


def test_an_archive_that_is_cut() -> None:
    """What is missing is not known."""
    archive = content()
    for end in (40, len(archive) // 2, len(archive) - 1, archive.index(b"PK\x01\x02")):
        assert "ends before" in doubted(archive[:end])[0]


def test_what_is_packed_is_damaged() -> None:
    """Said of what was wanted."""
    archive = bytearray(content(stored=False))
    at = archive.index(POM.encode()) + len(POM)
    archive[at : at + 4] = b"\xff\xff\xff\xff"
    assert "damaged" in doubted(bytes(archive))[0]


@pytest.mark.parametrize(("offset", "value", "told"), [(6, 1, "encrypted"), (8, 12, "method 12")])
def test_what_cannot_be_unpacked_is_said(offset: int, value: int, told: str) -> None:
    """Of what was wanted."""
    archive = bytearray(content())
    at = archive.index(POM.encode()) - 30
    archive[at + offset] = value
    assert told in doubted(bytes(archive))[0]
