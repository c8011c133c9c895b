"""What archives are put together from: fields that are sound, fields that are odd, and the sums and lengths that hold them."""

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR, GNU, V7 = b"ustar\x0000", b"ustar  \0", bytes(8)

NAMES = (
    b"usr/bin/su", b"usr/bin/.wh.su", b"etc/passwd", b"./etc/group", b"bin/", b"d/", b"x/", b"a", b"var/lib/dpkg/status",
    b"/abs/file", b"a//b", b"../out", b"caf\xc3\xa9", b"caf\xe9", b"", b"/", b"n" * 99, b"n" * 100, b"m" * 60 + b"/" + b"f" * 39,
    b"end/" * 25,
)  # fmt: skip
LONG_NAMES = (
    *NAMES,
    b"long/" * 30 + b"file",
    b"long/" * 30,
    b"l" * 101,
    b"l" * 512,
    b"l" * 511,
    b"p" * 1000,
    b"nul\0behind",
    b"s/\0",
)
TYPES = b"0000000000\0\0\0111222235556347SVMADXZ"
SIZES = (
    b"0", b"512", b"1024", b"511", b"1", b"+512", b"-1", b"-0", b"", b"0512", b"00000000000000000000000512", b" 512", b"5e2",
    b"9223372036854775807", b"9223372036854775808", b"512 ", b"1_0", b"\xd9\xa5",
)  # fmt: skip
NUMBERS = (b"0", b"0", b"1000", b"65534", b"4294967295", b"4294967296", b"-1", b"+7", b"", b"x", b"99999999999999999999", b"007")
TIMES = (b"0", b"1", b"1700000000", b"1700000000.123456789", b"1.", b".5", b"-1.5", b"", b"x", b"1.2.3", b"1.-2", b"9" * 30, b"+5")

RECORDS = (
    *[(b"path", LONG_NAMES[:-2])] * 2,
    *[(b"linkpath", LONG_NAMES[:-2])] * 2,
    *[(key, NUMBERS[:3]) for key in (b"uid", b"gid")],
    *[(key, TIMES[:5]) for key in (b"mtime", b"atime", b"ctime")],
    (b"comment", (b"hello", b"", b"\0")),
    (b"SCHILY.xattr.user.x", (b"\0\1", b"y")),
    (b"uname", (b"root", b"")),
    (b"GNU.sparse.name", NAMES),
    (b"GNU.sparse.realsize", SIZES),
    (b"GNU.sparse.size", SIZES),
    (b"GNU.sparse.minor", (b"0", b"2")),
)
ODD_RECORDS = (
    *[(b"size", SIZES)] * 3,
    *[(key, NUMBERS) for key in (b"uid", b"gid")],
    *[(key, TIMES) for key in (b"mtime", b"atime", b"ctime")],
    (b"path", LONG_NAMES),
    (b"linkpath", LONG_NAMES),
    (b"uname", (b"a\0b",)),
    (b"a\0b", (b"",)),
    (b"", (b"",)),
    (b"GNU.sparse.map", (b"0,0", b"", b"0,1,")),
    (b"GNU.sparse.offset", (b"0", b"1,2")),
    (b"GNU.sparse.major", (b"1", b"0", b"2", b"")),
)


def sealed(block: bytes) -> bytes:
    """With the checksum it should have."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def record(key: bytes, value: bytes) -> bytes:
    """As pax has it, behind its own length."""
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + 1
    while len(b"%d" % size) + len(rest) != size:
        size = len(b"%d" % size) + len(rest)
    return b"%d" % size + rest
