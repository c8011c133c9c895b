"""What is no archive to anybody is told by its bytes."""

import tarfile

import pytest

from tests.doubles.image_sources import MemoryImages, gzipped, tar_of
from watcher.inspection.documents import is_document, looks_packed
from watcher.model.errors import NotFoundError

STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1","note":"\xc3\xa4"}'


def letters_only() -> bytes:
    """A file's header, and its content, of nothing but letters: a text to whoever looks for zeros, and an archive."""
    content = b"x" * 512
    header = bytearray(b"a" * 512)
    header[100:148] = b"0000644 0000000 0000000 00000001000 00000000000 "
    header[156:157] = b"0"
    header[329:345] = b"0000000 0000000 "
    header[148:156] = b" " * 8
    header[148:156] = b"%07o " % sum(header)
    return bytes(header) + content


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (STATEMENT, True),
        (b"SPDXVersion: SPDX-2.3\n" * 50_000, True),
        (b"", True),
        ("ä".encode() * 400_000, True),
        (b"text and then \xff", False),
        ("ä".encode()[:1], False),
        (b"a\0b", False),
        (gzipped(STATEMENT), False),
        (tar_of(("etc/passwd", b"root")), False),
        (letters_only(), False),
        (b"BZh91AY&SY", False),
    ],
)
async def test_a_document_is_text_and_nothing_that_unpacks(raw: bytes, expected: bool) -> None:
    """From end to end, over the edges of pieces; a header made of letters is a header."""
    source = MemoryImages()
    layer = source.add_layer(raw, "application/vnd.in-toto+json")
    assert await is_document(source, layer, timeout_seconds=10) is expected


def test_the_header_of_letters_is_one_to_python_as_well() -> None:
    """The trick works, so it is worth looking for."""
    assert tarfile.TarInfo.frombuf(letters_only()[:512], "utf-8", "strict").size == 512
    assert not looks_packed(STATEMENT.ljust(512))
    assert not looks_packed(b"9" * 512)


async def test_a_document_that_is_not_there_is_an_error() -> None:
    """Nothing can be said of it."""
    source = MemoryImages()
    layer = source.add_layer(STATEMENT, "application/vnd.in-toto+json")
    source.blobs.clear()
    with pytest.raises(NotFoundError):
        await is_document(source, layer, timeout_seconds=10)
