"""The tar walker: every form of name and number, and an end that is said to be one."""

import io
import tarfile
from collections.abc import Iterator

import pytest

from tests.doubles.image_sources import entry, tar_of
from watcher.inspection.confined.tar import DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, Member, TarReader
from watcher.inspection.confined.tar_pieces import DamagedTarError

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def pieces(raw: bytes, size: int = 700) -> Iterator[bytes]:
    for first in range(0, len(raw), size):
        yield raw[first : first + size]


def walk(raw: bytes, size: int = 700) -> list[Member]:
    return list(TarReader(pieces(raw, size)).members())


def paths(raw: bytes) -> list[bytes | None]:
    return [member[0] for member in walk(raw)]


def sealed(block: bytes) -> bytes:
    """The header with the checksum it should have."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def header(name: bytes = b"file", size: bytes = b"00000000000\0", kind: bytes = b"0", **fields: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[100:124] = fields.get("owner", b"0000644\x000000000\x000000000\0")
    block[124:136] = size
    block[156:157] = kind
    block[257:263] = b"ustar\0"
    for offset, text in ((157, fields.get("link", b"")), (345, fields.get("prefix", b""))):
        block[offset : offset + len(text)] = text
    return sealed(bytes(block))


END = bytes(1024)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_members(form: int) -> None:
    """ustar, GNU and pax differ only in how they write things down."""
    long = "d" * 90 + "/" + "e" * 50 + "/f.txt"
    raw = tar_of(
        entry("etc", tarfile.DIRTYPE),
        ("etc/passwd", b"root:x:0:0\n"),
        (long, b"x" * 1000),
        entry("bin/sh", tarfile.SYMTYPE, "../usr/bin/dash", 0o777),
        entry("bin/again", tarfile.LNKTYPE, "etc/passwd"),
        form=form,
    )
    found = [(member[0], member[1], member[3], member[4]) for member in walk(raw)]
    assert found == [
        (b"etc", DIRECTORY, 0, b""),
        (b"etc/passwd", REGULAR, 11, b""),
        (long.encode(), REGULAR, 1000, b""),
        (b"bin/sh", SYMBOLIC_LINK, 0, b"../usr/bin/dash"),
        (b"bin/again", HARD_LINK, 0, b"etc/passwd"),
    ]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_and_targets_may_be_long(form: int) -> None:
    """A path and a link's target of more than a header holds come in headers of their own."""
    path, target = "/".join(["part"] * 100), "/".join(["other"] * 100)
    (member,) = walk(tar_of(entry(path, tarfile.SYMTYPE, target), form=form))
    assert (member[0], member[4]) == (path.encode(), target.encode())


@pytest.mark.parametrize("size", [1, 511, 512, 513, 4096, 1 << 20])
def test_pieces_may_be_cut_anywhere(size: int) -> None:
    """The same archive gives the same members however it comes."""
    raw = tar_of(("a", b"1" * 700), ("b" * 120, b"2" * 3000), ("c", b""))
    assert walk(raw, size) == walk(raw, len(raw))


def test_content_is_handed_over_where_it_is_asked_for() -> None:
    """A member comes once more, with all of its content and before the next, when the reader is told to keep it."""
    raw = tar_of(("skipped", b"s" * 5000), ("wanted", b"w" * 5000), ("empty", b""), ("last", b"l"))
    reader, found = TarReader(pieces(raw)), []
    for member in reader.members():
        reader.keep = member[7] is None and member[0] in (b"wanted", b"empty")
        found.append((member[0], member[7]))
    assert found == [
        (b"skipped", None), (b"wanted", None), (b"wanted", b"w" * 5000), (b"empty", None), (b"empty", b""), (b"last", None),
    ]  # fmt: skip


def test_the_offset_of_content_is_that_in_the_archive() -> None:
    """Where a file's bytes begin is counted from the first byte of the tar."""
    raw = tar_of(("a", b"A" * 600), ("b", b"needle"))
    member = walk(raw)[1]
    assert raw[member[5] : member[5] + member[3]] == b"needle"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"./a/b", b"a/b"),
        (b"/abs", b"abs"),
        (b"a//b/./c", b"a/b/c"),
        (b"a/../b", b"b"),
        (b"..a/..b", b"..a/..b"),
        (b"a/.hidden", b"a/.hidden"),
        (b"./", b""),
        (b".", b""),
        (b"a/../..", None),
        (b"../x", None),
        (b"/../x", None),
        (b"new\nline", b"new\nline"),
        (b"caf\xe9", b"caf\xe9"),
    ],
)
def test_paths_are_relative_to_the_root(name: bytes, path: bytes | None) -> None:
    """A name is cleaned of what says nothing; one that leads outside has no path."""
    assert paths(header(name) + END) == [path]


def test_a_prefix_comes_before_the_name() -> None:
    """Ustar splits a long path at a slash."""
    assert paths(header(b"name", prefix=b"some/where") + END) == [b"some/where/name"]


def test_numbers_may_be_base_256() -> None:
    """GNU writes what does not fit octal digits in binary."""
    owner = b"0000644\0" + b"\x80\0\0\0" + (3_000_000).to_bytes(4, "big") + b"0000000\0"
    size = b"\x80" + (5).to_bytes(11, "big")
    (member,) = walk(header(size=size, owner=owner) + b"12345".ljust(512, b"\0") + END)
    assert (member[2][1], member[3]) == (3_000_000, 5)


def test_all_twelve_bytes_of_a_size_may_be_digits() -> None:
    """A size without a NUL at its end is not cut short."""
    (member,) = walk(header(size=b"000000000017") + bytes(512) + END)
    assert member[3] == 15


@pytest.mark.parametrize("size", [b"-0000000001\0", b"\xff" * 12, b"99999999999\0", b"0x000000001\0"])
def test_a_size_that_is_none_ends_the_archive(size: bytes) -> None:
    """Without a size nobody knows where the next header is."""
    with pytest.raises(DamagedTarError, match="size"):
        walk(header(size=size) + END)


def test_pax_overrides_the_header() -> None:
    """path, linkpath, size, uid and gid of a pax header count, for the next member only."""
    member = tarfile.TarInfo("short")
    member.size = 3
    member.pax_headers = {"path": "really/this", "uid": "70000", "gid": "80000", "size": "3", "mtime": "1.5"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(b"abc"))
        archive.addfile(tarfile.TarInfo("next"))
    first, second = walk(buffer.getvalue())
    assert (first[0], first[2][1:], first[3]) == (b"really/this", (70000, 80000), 3)
    assert (second[0], second[2][1:]) == (b"next", (0, 0))


def test_a_global_pax_header_changes_nothing() -> None:
    """What unpacks layers does not apply them, so a global path cannot rename every member."""
    record = b"20 path=elsewhere/a\n"
    raw = header(b"g", b"%011o\0" % len(record), b"g") + record.ljust(512, b"\0") + header(b"own") + END
    assert paths(raw) == [b"own"]


@pytest.mark.parametrize("record", [b"x path=a\n", b"99 path=a\n", b"5 =a\n", b"9 path=ab", b"0 a=b\n", b"3 a\n"])
def test_a_malformed_pax_header_ends_the_archive(record: bytes) -> None:
    """It could have held the size of what follows."""
    raw = header(b"x", b"%011o\0" % len(record), b"x") + record.ljust(512, b"\0") + header() + END
    with pytest.raises(DamagedTarError, match="pax"):
        walk(raw)


def test_old_sparse_members_do_not_derail() -> None:
    """Their map may go on in further blocks; their size in the image is the real one."""
    block = bytearray(header(b"sparse", b"00000001000\0", b"S"))
    block[257:265] = b"ustar  \0"
    block[482] = 1
    block[483:495] = b"00000010000\0"
    more = bytearray(512)
    more[504] = 1
    raw = sealed(bytes(block)) + bytes(more) + bytes(512) + b"x" * 512 + header(b"after") + END
    first, second = walk(raw)
    assert (first[0], first[1], first[3], second[0]) == (b"sparse", REGULAR, 4096, b"after")


def test_pax_sparse_members_have_their_real_name_and_size() -> None:
    """GNU.sparse.* of a pax header say what the file is; what is stored follows the header's size."""
    records = b"".join(
        b"%d %s\n" % (len(text) + 4, text)
        for text in (
            b"GNU.sparse.name=really.img",
            b"GNU.sparse.realsize=1000000",
            b"GNU.sparse.numblocks=1",
            b"GNU.sparse.map=4096,512",
        )
    )
    raw = header(b"x", b"%011o\0" % len(records), b"x") + records.ljust(512, b"\0")
    raw += header(b"GNUSparseFile.0/x", b"00000001000\0") + b"x" * 512 + header(b"after") + END
    first, second = walk(raw)
    assert (first[0], first[3], second[0]) == (b"really.img", 1000000, b"after")


def test_an_old_regular_file_with_a_slash_is_a_directory() -> None:
    """Version 7 had no type for directories."""
    (member,) = walk(header(b"dir/", kind=b"\0") + END)
    assert member[:2] == (b"dir", DIRECTORY)


def test_a_link_has_no_content_whatever_its_size_says() -> None:
    """The size of a link's header is not skipped: another header follows at once."""
    raw = header(b"l", b"00000001000\0", b"2", link=b"t") + header(b"next") + END
    assert paths(raw) == [b"l", b"next"]


def test_an_archive_may_end_without_zero_blocks() -> None:
    """Builders forget them, and every reader forgives it."""
    assert paths(header(b"only")) == [b"only"]
    assert paths(b"") == []


def test_what_follows_the_zero_blocks_is_not_read() -> None:
    """An archive is over at its end."""
    assert paths(header(b"in") + END + header(b"out")) == [b"in"]


def test_a_wrong_checksum_ends_the_archive_where_it_is() -> None:
    """What came before is kept, and the offset says where it ended."""
    found: list[bytes | None] = []
    broken = b"X" + header(b"b")[1:]
    with pytest.raises(DamagedTarError, match="checksum is wrong at byte 512") as caught:
        for member in TarReader(pieces(header(b"a") + broken)).members():
            found.append(member[0])
    assert (found, caught.value.offset) == ([b"a"], 512)


def test_the_sum_of_signed_bytes_is_accepted() -> None:
    """Some old tars added up signed characters."""
    block = header(b"caf\xe9")
    blank = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in blank)
    assert paths(block[:148] + b"%06o\0 " % signed + block[156:] + END) == [b"caf\xe9"]


@pytest.mark.parametrize("keep", [False, True])
def test_an_end_within_a_file_is_no_end(keep: bool) -> None:
    """A truncated archive is said to be one, whether or not the file was wanted."""
    reader = TarReader(pieces(header(b"f", b"00000002000\0") + b"x" * 100))
    with pytest.raises(DamagedTarError, match="within a file"):
        for _ in reader.members():
            reader.keep = keep


@pytest.mark.parametrize("raw", [b"x" * 100, header(b"long", b"00000001000\0", b"L") + b"half"])
def test_an_end_within_a_header_is_no_end(raw: bytes) -> None:
    """Neither within a header of 512 bytes nor within a long name."""
    with pytest.raises(DamagedTarError, match="within a header"):
        walk(raw)


def test_an_extended_header_has_a_limit() -> None:
    """A long name of 2 MiB is refused before it is read."""
    with pytest.raises(DamagedTarError, match="extended header of 2097152 bytes"):
        walk(header(b"x", b"00010000000\0", b"L") + bytes(4096))


def test_a_name_beyond_what_linux_takes_has_no_path() -> None:
    """4 KiB is the limit of a path, and nothing can be at one with a NUL."""
    raw = tar_of(("a/" * 2500 + "b", b""), form=tarfile.GNU_FORMAT)
    assert paths(raw) == [None]


def test_an_owner_that_is_no_number_ends_the_archive() -> None:
    """A header whose checksum is right and whose fields are not is no header."""
    with pytest.raises(DamagedTarError, match="owner"):
        walk(header(owner=b"hello wo" * 3) + END)
