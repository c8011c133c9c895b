"""Where tars can be read in two ways, they are read as Go's archive/tar reads them: that is what unpacks layers."""

import pytest

from tests.unit.inspection.test_tar_reader import END, header, paths, pieces, sealed, walk
from watcher.inspection.confined.tar import DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, TarReader
from watcher.inspection.confined.tar_pieces import DamagedTarError
from watcher.inspection.confined.tar_sparse import Sparse

GNU, V7 = b"ustar  \0", bytes(8)
# A content that is itself the end of an archive, or a member: whoever takes it for one reads another archive from there on.
INNER = header(b"inner")


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def sized(number: int) -> bytes:
    return b"%011o\0" % number


def pax(*records: bytes, kind: bytes = b"x", name: bytes = b"pax_global_header") -> bytes:
    content = b""
    for each in records:
        size = len(each) + 3
        while len(b"%d" % size) + len(each) + 2 != size:
            size += 1
        content += b"%d %s\n" % (size, each)
    return header(name, sized(len(content)), kind) + padded(content)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return header(b"././@LongLink", sized(len(name) + 1), kind) + padded(name + b"\0")


def changed(block: bytes, *changes: tuple[int, bytes]) -> bytes:
    for at, new in changes:
        block = block[:at] + new + block[at + len(new) :]
    return sealed(block)


def reasons(raw: bytes) -> list[str]:
    reader = TarReader(pieces(raw))
    for _ in reader.members():
        pass
    return [problem.reason for problem in reader.problems.all()]


def contents(raw: bytes) -> list[bytes]:
    found = []
    reader = TarReader(pieces(raw))
    for member in reader.members():
        if isinstance(member[7], bytes):
            found.append(member[7])
        else:
            reader.keep = True
    return found


def test_a_long_name_counts_more_than_a_pax_path() -> None:
    """In whichever order they come, and so for targets."""
    for first, second in ((pax(b"path=pax"), long_name(b"gnu")), (long_name(b"gnu"), pax(b"path=pax"))):
        assert paths(first + second + header(b"own")) == [b"gnu"]
    raw = (
        long_name(b"gnu", b"K") + pax(b"linkpath=pax") + header(b"l", kind=b"2", link=b"own") + header(b"h", kind=b"1", link=b"own")
    )
    assert [member[4] for member in walk(raw)] == [b"gnu", b"own"]


def test_an_empty_long_name_or_record_says_nothing() -> None:
    """What counts less is then taken, and the last of a key counts even if it is empty."""
    assert paths(long_name(b"") + pax(b"path=pax") + header(b"own")) == [b"pax"]
    assert paths(long_name(b"first") + long_name(b"") + header(b"own")) == [b"own"]
    assert paths(pax(b"path=pax", b"path=") + header(b"own")) == [b"own"]
    assert paths(pax(b"path=one", b"path=two") + header(b"own")) == [b"two"]


def test_a_second_pax_header_replaces_the_first() -> None:
    """Whole: what only the first one says is gone."""
    raw = pax(b"path=first", b"size=512") + pax(b"uid=7") + header(b"own")
    assert [(member[0], member[2][1], member[3]) for member in walk(raw)] == [(b"own", 7, 0)]


def test_a_global_header_forgets_what_was_said_before_it() -> None:
    """To Go it is a member: long names and pax records before it were its own."""
    between = pax(b"comment=x", kind=b"g")
    assert paths(long_name(b"gnu") + between + header(b"own")) == [b"own"]
    assert paths(pax(b"path=pax") + between + header(b"own")) == [b"own"]
    with pytest.raises(DamagedTarError, match="pax"):
        walk(header(b"g", sized(4), b"g") + padded(b"none") + header(b"own"))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (pax(b"comment=x", kind=b"g"), []),
        (pax(b"comment=x", kind=b"g", name=b"/tmp/GlobalHead.42.1"), []),
        (pax(b"comment=x", kind=b"g", name=b"././@PaxHeader"), []),
        (pax(b"comment=x", kind=b"g", name=b"usr/bin/.wh.su"), ["global-header"]),
        (pax(b"path=etc/passwd", kind=b"g"), ["global-header"]),
    ],
)
def test_a_global_header_that_removes_something_is_said(raw: bytes, expected: list[str]) -> None:
    """Runtimes take away what has its name before they pass over it, and see a whiteout in its name."""
    assert reasons(raw + header(b"own")) == expected


def test_the_name_that_counts_makes_an_old_file_a_directory() -> None:
    """Type NUL is a directory when its name ends with a slash: that of its pax record or long name, if it has one."""
    content = padded(INNER)
    named = header(b"x/", sized(512), b"\0")
    unnamed = header(b"x", sized(512), b"\0")
    for extension in (pax(b"path=file"), long_name(b"file")):
        assert [member[:2] for member in walk(extension + named + content + header(b"after"))] == [
            (b"file", REGULAR),
            (b"after", REGULAR),
        ]
    for extension in (pax(b"path=dir/"), long_name(b"dir/")):
        assert [member[:2] for member in walk(extension + unnamed + content + header(b"after"))] == [
            (b"dir", DIRECTORY),
            (b"inner", REGULAR),
            (b"after", REGULAR),
        ]
    assert walk(header(b"x/", sized(512), b"0") + content)[0][:2] == (b"x", REGULAR)


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
@pytest.mark.parametrize("extension", [b"", pax(b"size=512")])
def test_what_has_only_a_header_has_no_content(kind: bytes, extension: bytes) -> None:
    """Whatever its size says, in its header or in a pax record, another header follows at once."""
    raw = extension + header(b"l", sized(0 if extension else 512), kind) + INNER + header(b"after")
    assert paths(raw) == [b"l", b"inner", b"after"]


@pytest.mark.parametrize("kind", [b"V", b"M", b"D", b"N", b"A", b"X", b"7", b"Z", b"\xff"])
def test_any_other_type_is_a_member_with_content(kind: bytes) -> None:
    """Of a type of its own; an upper-case X is no pax header."""
    raw = header(b"odd", sized(512), kind) + INNER + header(b"after")
    assert [member[:2] for member in walk(raw)] == [(b"odd", kind[0]), (b"after", REGULAR)]


def test_a_prefix_is_where_the_format_has_one() -> None:
    """Ustar has 155 bytes, star 131, GNU none unless its times are none, and version 7 nothing at all."""
    prefix = b"usr/bin"
    block = header(b"su", prefix=prefix)
    assert paths(block) == [b"usr/bin/su"]
    assert paths(changed(block, (257, V7))) == [b"su"]
    assert paths(changed(block, (257, GNU))) == [b"usr/bin/su"]
    assert paths(changed(header(b"su", prefix=b"00000000017\0" * 2), (257, GNU))) == [b"su"]
    assert paths(changed(header(b"su", prefix=b"caf\xc3\xa9"), (257, GNU))) == [b"su"]
    assert paths(changed(header(b"su", prefix=b"00000000017\0no time"), (257, GNU))) == [b"00000000017/su"]
    star = changed(header(b"su", prefix=(b"usr/bin/" + b"./" * 80)[:131]), (476, b"00000000000 00000000000 "), (508, b"tar\0"))
    assert paths(star) == [b"usr/bin/su"]
    with pytest.raises(DamagedTarError, match="time"):
        walk(changed(star, (476, b"no time")))


def test_a_name_may_take_all_of_its_field() -> None:
    """A hundred bytes without a NUL, even in a header that has none anywhere."""
    block = b"n" * 100 + b"0000644 0000000 0000000 00000000000 00000000000 " + b" " * 8 + b"0" + b" " * 355
    assert paths(sealed(block).replace(b"\0", b" ")) == [b"n" * 100]


@pytest.mark.parametrize(
    ("at", "field", "valid"),
    [
        (100, b"  644 \0\0", True),
        (100, b"\0\x20644\0\0\0", True),
        (100, b"0o644\0\0\0", False),
        (100, b"6_44\0\0\0\0", False),
        (100, b"+644\0\0\0\0", False),
        (100, b"8\0\0\0\0\0\0\0", False),
        (108, b"7\0x\0\0\0\0\0", True),
        (108, b"\xff" * 8, True),
        (108, b"\x80\1\1\1\1\1\1\1", True),
        (136, b"0000000_017\0", False),
        (136, b"\xff" * 12, True),
        (136, b"\x80\0\0\1" + bytes(8), False),
        (136, b"nonsense\0\0\0\0", False),
        (329, b"nonsense", False),
        (337, b"-1\0\0\0\0\0\0", False),
    ],
)
def test_every_number_of_a_header_must_be_one(at: int, field: bytes, valid: bool) -> None:
    """Mode, owner, time and device: octal among spaces and NULs, or base-256, negative too."""
    raw = changed(header(b"own"), (at, field))
    if valid:
        assert paths(raw) == [b"own"]
    else:
        with pytest.raises(DamagedTarError, match="valid"):
            walk(raw)
    if at >= 329:
        assert paths(changed(raw, (257, V7))) == [b"own"], "version 7 has no devices"


@pytest.mark.parametrize("size", [b"0000000_010\0", b"+0000000010\0", b"0o000000010\0", b"\t0000000010\0", b"00000000008\0"])
def test_what_python_takes_for_octal_is_no_size(size: bytes) -> None:
    """Underscores, signs and tabs are none of tar's."""
    with pytest.raises(DamagedTarError, match="size"):
        walk(header(b"own", size) + bytes(512))


@pytest.mark.parametrize(
    ("uid", "expected"),
    [(b"\x80\0\0\1\0\0\0\0", 0), (b"\xff" * 8, 0), (b"\x80\0\0\1\0\0\0\5", 5), (b"\xff" * 7 + b"\xfe", 2**32 - 2)],
)
def test_an_owner_is_what_the_kernel_makes_of_it(uid: bytes, expected: int) -> None:
    """Of more than 32 bits the lower ones count, so 2^32 is root; it is said, as no builder writes such owners."""
    raw = changed(header(b"own"), (108, uid))
    assert (walk(raw)[0][2][1], reasons(raw)) == (expected, ["impossible-owner"])


@pytest.mark.parametrize(
    "record",
    [b"uid=x", b"gid=", b"size=1e3", b"size=0x1", b"mtime=x", b"mtime=1.x", b"ctime=.5", b"atime=1.2.3", b"path=a\0b", b"a\0b=c"],
)
def test_a_record_that_is_none_ends_the_archive(record: bytes) -> None:
    """But an empty one, which says nothing."""
    raw = pax(record) + header(b"own")
    if record == b"gid=":
        assert paths(raw) == [b"own"]
        return
    with pytest.raises(DamagedTarError, match="pax"):
        walk(raw)


def test_pax_numbers_may_have_signs_and_zeros() -> None:
    """As strconv.ParseInt takes them."""
    raw = pax(b"size=+" + b"0" * 50 + b"3", b"uid=-0", b"gid=007", b"mtime=-1.5", b"comment=\0") + header(b"own") + padded(b"abc")
    (member,) = walk(raw)
    assert (member[2][1:], member[3]) == ((0, 7), 3)


@pytest.mark.parametrize("content", [b"+12 path=ab\n", b"0012 path=a\n"])
def test_a_record_may_have_a_sign_and_zeros_before_its_length(content: bytes) -> None:
    """Only the value of the length counts."""
    assert paths(header(b"x", sized(len(content)), b"x") + padded(content) + header(b"own"))[0] in (b"ab", b"a")


def test_nothing_may_follow_the_records() -> None:
    """Not even NULs within the size of a pax header."""
    content = b"9 path=a\n" + bytes(3)
    with pytest.raises(DamagedTarError, match="pax"):
        walk(header(b"x", sized(len(content)), b"x") + padded(content) + header(b"own"))


def test_a_sum_is_exact() -> None:
    """One that is wrong by the modulus of the quick check is wrong, in small headers and in large ones."""
    block = header(b"own")
    total = int(block[148:154], 8)
    with pytest.raises(DamagedTarError, match="checksum"):
        walk(block[:148] + b"%06o\0 " % (total + 65521) + block[156:])
    large = changed(header(b"\xff" * 100, link=b"\xff" * 100, prefix=b"\xff" * 155))
    total = int(large[148:154], 8)
    assert total > 65521
    assert len(walk(large)) == 1
    with pytest.raises(DamagedTarError, match="checksum"):
        walk(large[:148] + b"%06o\0 " % (total - 65521) + large[156:])
    with pytest.raises(DamagedTarError, match="checksum"):
        walk(block[:148] + b"\x80" + (int(block[148:154], 8)).to_bytes(7, "big") + block[156:])


NAMED = (b"GNU.sparse.size=12", b"GNU.sparse.name=file")
COUNTED = b"GNU.sparse.numblocks=2"
MAPPED = (COUNTED, b"GNU.sparse.map=2,3,9,1")
SPARSE_RECORDS = {
    "0.0": (COUNTED, *(b"GNU.sparse." + each for each in (b"offset=2", b"numbytes=3", b"offset=9", b"numbytes=1"))),
    "0.1": MAPPED,
    "0.1 with a version": (b"GNU.sparse.major=0", b"GNU.sparse.minor=1", *MAPPED),
    "1.0": (b"GNU.sparse.major=1", b"GNU.sparse.minor=0"),
}


@pytest.mark.parametrize("form", SPARSE_RECORDS)
def test_sparse_files_are_what_they_are_unpacked_to(form: str) -> None:
    """Name, size and content, in every format of pax."""
    stored = (padded(b"2\n2\n3\n9\n1\n") if form == "1.0" else b"") + b"abcd"
    raw = (
        pax(*SPARSE_RECORDS[form], *NAMED) + header(b"GNUSparseFile.1/file", sized(len(stored))) + padded(stored) + header(b"after")
    )
    first, second = walk(raw)
    assert (first[0], first[1], first[3], second[0]) == (b"file", REGULAR, 12, b"after")
    assert isinstance(first[7], Sparse)
    assert raw[first[5] :].startswith(b"abcd")
    assert contents(raw) == [b"\0\0abc\0\0\0\0d\0\0", b""]


def test_old_sparse_files_are_what_they_are_unpacked_to() -> None:
    """Pieces beyond the fourth are in blocks of their own, before the content."""
    entries = [sized(offset) + sized(1) for offset in range(0, 60, 2)]
    block = changed(
        header(b"file", sized(30), b"S"), (257, GNU), (386, b"".join(entries[:4])), (482, b"\1"), (483, sized(60))
    )  # fmt: skip
    more = b"".join(entries[4:25]).ljust(504, b"\0") + b"\1" + bytes(7) + b"".join(entries[25:]).ljust(512, b"\0")
    raw = block + more + padded(b"x" * 30) + header(b"after")
    assert [(member[0], member[1], member[3]) for member in walk(raw)] == [(b"file", REGULAR, 60), (b"after", REGULAR, 0)]
    assert contents(raw) == [b"x\0" * 30, b""]
    with pytest.raises(DamagedTarError, match="sparse"):
        walk(changed(block, (257, b"ustar\x0000")) + more + padded(b"x" * 30))


@pytest.mark.parametrize(
    "records",
    [
        (b"GNU.sparse.name=usr/bin/.wh.su",),
        (b"GNU.sparse.name=other", b"GNU.sparse.realsize=99"),
        (b"GNU.sparse.major=2", b"GNU.sparse.minor=0", b"GNU.sparse.name=other", b"GNU.sparse.map=0,1"),
        (b"GNU.sparse.major=1", b"GNU.sparse.name=other"),
        (b"GNU.sparse.map=", b"GNU.sparse.name=other"),
    ],
)
def test_without_a_version_nothing_is_sparse(records: tuple[bytes, ...]) -> None:
    """Neither the name nor the size of such records counts."""
    raw = pax(*records) + header(b"own", sized(3)) + padded(b"abc") + header(b"after")
    assert [(member[0], member[3], member[7]) for member in walk(raw)] == [(b"own", 3, None), (b"after", 0, None)]


@pytest.mark.parametrize(
    ("records", "content"),
    [
        ((b"GNU.sparse.map=0,1", b"GNU.sparse.numblocks=2"), b"x"),
        ((b"GNU.sparse.map=0,1", b"GNU.sparse.numblocks=x"), b"x"),
        ((b"GNU.sparse.map=0,x", b"GNU.sparse.numblocks=1"), b"x"),
        ((b"GNU.sparse.map=4,1,2,1", b"GNU.sparse.numblocks=2", b"GNU.sparse.size=9"), b"xx"),
        ((b"GNU.sparse.map=0,2,1,2", b"GNU.sparse.numblocks=2", b"GNU.sparse.size=9"), b"xxxx"),
        ((b"GNU.sparse.map=0,9", b"GNU.sparse.numblocks=1", b"GNU.sparse.size=8"), b"x" * 9),
        ((b"GNU.sparse.map=0,-1", b"GNU.sparse.numblocks=1"), b"x"),
        ((b"GNU.sparse.map=0,1", b"GNU.sparse.numblocks=1", b"GNU.sparse.size=x"), b"x"),
        ((b"GNU.sparse.offset=0", b"GNU.sparse.offset=1", b"GNU.sparse.numblocks=1"), b"x"),
        ((b"GNU.sparse.major=1", b"GNU.sparse.minor=0"), b"1\n0\n1\n"),
        ((b"GNU.sparse.major=1", b"GNU.sparse.minor=0"), padded(b"2\n0\n1\n") + b"x"),
        ((b"GNU.sparse.major=1", b"GNU.sparse.minor=0"), padded(b"x\n") + b"x"),
        ((b"GNU.sparse.major=1", b"GNU.sparse.minor=0"), b""),
    ],
)
def test_a_sparse_map_that_is_none_ends_the_archive(records: tuple[bytes, ...], content: bytes) -> None:
    """Numbers that are none or do not fit, and pieces that overlap, are out of order, or lead beyond the end."""
    with pytest.raises(DamagedTarError):
        walk(pax(*records) + header(b"own", sized(len(content))) + padded(content))


@pytest.mark.parametrize("kind", [b"1", b"2", b"5"])
def test_only_what_has_content_is_sparse(kind: bytes) -> None:
    """A directory or a link with a sparse map is damaged."""
    with pytest.raises(DamagedTarError, match="sparse"):
        walk(pax(b"GNU.sparse.map=0,0", b"GNU.sparse.numblocks=1") + header(b"own", kind=kind))


@pytest.mark.parametrize("content", [b"x", b"xxx"])
def test_a_sparse_file_with_more_or_less_than_its_map_is_said(content: bytes) -> None:
    """Whoever reads it gets an error; whoever passes over it finds the next member."""
    raw = pax(b"GNU.sparse.map=0,2", b"GNU.sparse.numblocks=1", b"GNU.sparse.size=9")
    raw += header(b"own", sized(len(content))) + padded(content) + header(b"after")
    assert (paths(raw), reasons(raw)) == ([b"own", b"after"], ["damaged-sparse-file"])
    with pytest.raises(DamagedTarError, match="sparse"):
        contents(raw)


def test_a_sparse_file_may_claim_any_size() -> None:
    """It costs what is stored of it."""
    (member,) = walk(
        pax(b"GNU.sparse.map=1152921504606846000,2", b"GNU.sparse.numblocks=1", b"GNU.sparse.size=1152921504606846976")
        + header(b"own", sized(2))
        + padded(b"xx")
    )
    assert member[3] == 2**60


def test_links_have_the_target_that_counts() -> None:
    """Of the long link, the pax record, or the header, for links only."""
    raw = pax(b"linkpath=pax") + header(b"s", kind=b"2", link=b"own") + pax(b"linkpath=pax") + header(b"f", link=b"own")
    raw += header(b"h", kind=b"1", link=b"own")
    assert [(member[1], member[4]) for member in walk(raw)] == [(SYMBOLIC_LINK, b"pax"), (REGULAR, b""), (HARD_LINK, b"own")]


def test_what_follows_the_end_is_no_member() -> None:
    """Whatever it is."""
    assert paths(header(b"own") + END + header(b"behind") + END) == [b"own"]
