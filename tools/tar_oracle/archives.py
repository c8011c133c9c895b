"""Archives from a seed, of every kind of header that tars know, most of them sound and many of them odd.

What makes two readers differ is seldom garbage: it is a sound header in an order, a form or a place that one of them did not
expect. So an archive is put together from sound parts, and a few of those are then bent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tools.tar_oracle.parts import (
    BLOCK,
    END,
    GNU,
    LONG_NAMES,
    NAMES,
    ODD_RECORDS,
    RECORDS,
    SIZES,
    TYPES,
    USTAR,
    V7,
    padded,
    record,
    sealed,
)


@dataclass
class Maker:
    """Puts one archive together. `wild` is how often something is bent: 0 never, 1 often."""

    random: Random
    wild: float
    parts: list[bytes] = field(default_factory=list)

    def odd(self, chance: float = 0.1) -> bool:
        return self.random.random() < chance * self.wild

    def pick(self, *choices: Callable[[], bytes]) -> bytes:
        return self.random.choice(choices)()

    def archive(self) -> bytes:
        for _ in range(self.random.choice((1, 1, 2, 2, 3, 4))):
            self.member()
        raw = b"".join(self.parts) + self.end()
        if self.odd(0.1):
            raw = raw[: self.random.randrange(len(raw) + 1)]
        elif self.odd(0.1):
            raw = raw[: len(raw) // BLOCK * BLOCK - self.random.choice((1, 100, 511, 512, 600))]
        return raw

    def member(self) -> None:
        family = self.random.choices(
            (
                self.plain,
                self.long_names,
                self.pax,
                self.mixed,
                self.links,
                self.old_sparse,
                self.pax_sparse,
                self.star,
                self.gnu_prefix,
                self.heavy,
            ),
            (8, 3, 4, 5, 2, 1.5, 2.5, 1, 1, 0.5),
        )[0]
        family()

    def end(self) -> bytes:
        behind = self.header(b"behind") + b"x"
        if not self.odd(0.5):
            return self.random.choice((END, END, END, END * 5, END + behind, b"", bytes(BLOCK), END + b"garbage"))
        return self.random.choice(
            (bytes(BLOCK) + behind, bytes(700), bytes(100), bytes(BLOCK) + b"y" * BLOCK, b"y" * BLOCK, b"y" * 9)
        )

    # Members of every family.

    def plain(self, **fields: bytes) -> None:
        kind = bytes([self.random.choice(TYPES)])
        content = self.content() if kind not in b"123456" or self.odd() else b""
        size = len(content)
        if kind in b"123456" and size and not self.odd():
            content = b""  # a size of which nothing is there
        self.parts += (self.header(kind=kind, size=self.size(size), **fields), padded(content))

    def long_names(self) -> None:
        for _ in range(self.random.choice((1, 1, 2, 3))):
            self.extension(self.random.choice(b"LLK"))
        self.plain(magic=self.random.choice((GNU, GNU, USTAR, V7)))

    def pax(self) -> None:
        self.extension(self.random.choice(b"xxxxg"))
        self.plain()

    def mixed(self) -> None:
        for _ in range(self.random.choice((2, 2, 3, 4))):
            self.extension(self.random.choice(b"LKxxg"))
        self.plain()

    def links(self) -> None:
        """Every place that a target may stand in."""
        long, pax = self.random.choice(((True, False), (True, True), (True, True), (False, True)))
        said = [self.extended(b"x", record(b"linkpath", self.random.choice(LONG_NAMES[:-2])))] if pax else []
        if long:
            said.insert(self.random.randrange(2), self.extended(b"K", self.random.choice(LONG_NAMES) + b"\0"))
        self.parts += said
        self.parts.append(self.header(kind=self.random.choice((b"1", b"2"))))

    def heavy(self) -> None:
        """A header whose sum is beyond what 16 bits hold."""
        block = self.header(b"\xff" * 100, tail=b"\xff" * 155)
        block = sealed(block[:157] + b"\xff" * 100 + block[257:])
        total = int(block[148:154], 8)
        if self.odd(0.7):
            total = abs(total - self.random.choice((65521, 65536, 256 * 355)))
        self.parts.append(block[:148] + b"%06o\0 " % total + block[156:])

    def star(self) -> None:
        times = self.pick(lambda: b"00000000000 00000000000 ", lambda: bytes(24), lambda: b"1" * 24, self.octal12)
        if self.odd(0.3):
            times = b"not a time, nor another.."[:24]
        prefix = self.random.choice((b"usr/bin", b"", b"p" * 131, b"p" * 40))
        self.plain(magic=USTAR, tail=prefix.ljust(131, b"\0") + times.ljust(24, b"\0")[:24] + bytes(8) + b"tar\0")

    def gnu_prefix(self) -> None:
        text = self.random.choice(
            (b"usr/bin", b"12345670", b"", b"q" * 155, b"caf\xc3\xa9", b"\x80" + bytes(10) + b"\1", b"00000000017\0bad")
        )
        self.plain(magic=GNU, tail=text.ljust(155, b"\0"))

    def old_sparse(self) -> None:
        pieces, content, size = self.sparse_file()
        entries = [b"%011o\0%011o\0" % piece for piece in pieces]
        first, rest = entries[:4], entries[4:]
        tail = bytes(41) + b"".join(first).ljust(96, b"\0") + (b"\1" if rest or self.odd() else b"\0") + b"%011o\0" % size
        magic = self.random.choice((USTAR, V7)) if self.odd(0.3) else GNU
        if self.odd():
            self.extension(b"x"[0])
        self.parts.append(self.header(kind=b"S", size=self.size(len(content)), magic=magic, tail=tail))
        while rest:
            block, rest = rest[:21], rest[21:]
            self.parts.append(b"".join(block).ljust(504, b"\0") + (b"\1" if rest else b"\0") + bytes(7))
        self.parts.append(padded(content))

    def pax_sparse(self) -> None:
        pieces, content, size = self.sparse_file()
        form = self.random.choice((b"0.0", b"0.1", b"1.0", b"1.0"))
        lines = [number for piece in pieces for number in piece]
        records = [record(b"GNU.sparse.name", self.random.choice(LONG_NAMES[:-2]))] if self.random.random() < 0.7 else []
        records.append(record(self.random.choice((b"GNU.sparse.realsize", b"GNU.sparse.size")), b"%d" % size))
        if form != b"1.0":
            records.append(record(b"GNU.sparse.numblocks", b"%d" % (len(pieces) + self.odd())))
        if form == b"0.0":
            records += [
                record(b"GNU.sparse.numbytes" if index % 2 else b"GNU.sparse.offset", b"%d" % number)
                for index, number in enumerate(lines)
            ]
        elif form == b"0.1":
            records.append(record(b"GNU.sparse.map", b",".join(b"%d" % number for number in lines)))
        else:
            content = padded(b"".join(b"%d\n" % number for number in (len(pieces), *lines))) + content
        if form == b"1.0" or self.random.random() < 0.5:
            records += (record(b"GNU.sparse.major", form[:1]), record(b"GNU.sparse.minor", form[2:]))
        if self.odd(0.4):
            self.random.shuffle(records)
        if self.odd(0.4):
            del records[self.random.randrange(len(records))]
        if self.odd(0.2):
            records.append(
                record(b"GNU.sparse." + self.random.choice((b"major", b"minor", b"map", b"size")), self.random.choice(SIZES))
            )
        if self.odd(0.2):
            records.append(record(b"path", self.random.choice(LONG_NAMES[:-2])))
        self.parts.append(self.extended(b"x", b"".join(records)))
        if self.odd(0.2):
            self.extension(self.random.choice(b"LKxg"))
        if self.odd(0.1):
            content = content[: self.random.choice((0, 100, 511, 512))]
        kind = bytes([self.random.choice(TYPES)]) if self.odd(0.3) else b"0"
        self.parts += (self.header(kind=kind, size=self.size(len(content))), padded(content))

    def sparse_file(self) -> tuple[list[tuple[int, int]], bytes, int]:
        pieces, at, content = [], 0, b""
        for _ in range(self.random.choice((0, 1, 1, 2, 3, 5, 30))):
            at += self.random.choice((0, 1, 512, 4096, 5000))
            length = self.random.choice((0, 1, 7, 512))
            pieces.append((at, length))
            content += (b"S%d" % len(pieces) * length)[:length]
            at += length
        size = at + self.random.choice((0, 0, 512, 4096))
        if self.odd(0.2):
            size = self.random.choice((0, size - 1, 2**40, 2**62, 2**33 - 1)) % 2**33
            size = max(size, 0)
        if self.odd(0.2):
            content = content[:-1] if self.random.random() < 0.5 else content + b"more"
        if self.odd(0.1):
            self.random.shuffle(pieces)
        return pieces, content, size

    # What members are made of.

    def header(self, name: bytes | None = None, *, kind: bytes = b"0", size: bytes = b"00000000000\0", magic: bytes | None = None,
               tail: bytes = b"") -> bytes:  # fmt: skip
        block = bytearray(BLOCK)
        name = self.random.choice(NAMES) if name is None else name
        magic = self.random.choice((USTAR, USTAR, USTAR, GNU, GNU, V7)) if magic is None else magic
        block[: len(name)] = name
        block[100:108] = self.octal8(self.random.choice((0o644, 0o755, 0o4755, 0o100644)))
        block[108:116], block[116:124] = self.octal8(self.random.choice((0, 1000))), self.octal8(0)
        block[124:136], block[136:148] = size, self.octal12()
        block[156:157] = kind
        link = self.random.choice(NAMES) if kind in b"12" or self.odd() else b""
        block[157 : 157 + len(link)] = link
        block[257:265] = magic
        if magic != V7 and self.random.random() < 0.7:
            block[265:269] = b"root"
            block[329:345] = self.octal8(self.random.choice((0, 0, 8))) + self.octal8(0)
        if not tail and self.random.random() < 0.15:
            tail = self.random.choice((b"usr/bin", b"some/where", b"q" * 155, b"q/" * 77))
        if not tail and self.odd(0.1):
            tail = self.random.choice((bytes(155) + b"trailing", bytes(163) + b"tar\0", b"usr" + bytes(160) + b"tar\0"))
        block[345 : 345 + len(tail)] = tail
        while self.odd(0.12):
            self.bend(block)
        return self.checked(bytes(block))

    def checked(self, block: bytes) -> bytes:
        block = sealed(block)
        if not self.odd(0.1):
            return block
        total = int(block[148:154], 8)
        signed = sum(byte - 256 if byte > 127 else byte for byte in (*block[:148], *b" " * 8, *block[156:]))
        return block[:148] + self.pick(
            lambda: b"%06o\0 " % max(signed, 0),
            lambda: b"%06o\0 " % (total + 65521),
            lambda: b"%06o\0 " % abs(total - 65521),
            lambda: b"%06o\0 " % (total + 1),
            lambda: b"%6o\0 " % total,
            lambda: b"%7o\0" % total,
            lambda: b"%07o " % total,
            lambda: b"%08o" % total,
            lambda: b"\x80" + total.to_bytes(7, "big"),
            lambda: b"0o" + b"%05o\0" % total,
        )[:8] + block[156:]  # fmt: skip

    def bend(self, block: bytearray) -> None:
        """A change to one field, or to any byte."""
        first, size = self.random.choice(
            (
                (0, 100),
                (100, 8),
                (108, 8),
                (116, 8),
                (124, 12),
                (136, 12),
                (156, 1),
                (157, 100),
                (257, 8),
                (329, 8),
                (337, 8),
                (345, 155),
            )
        )
        new = self.pick(
            lambda: bytes(size),
            lambda: b"\xff" * size,
            lambda: b" " * size,
            lambda: b"7" * size,
            lambda: b"%0*o" % (size, 8),
            lambda: b" " * (size // 2) + b"10",
            lambda: b"\x80" + self.random.randrange(256).to_bytes(size, "big")[1:],
            lambda: b"\xff" + (-self.random.randrange(1, 129)).to_bytes(size, "big", signed=True)[1:],
            lambda: b"\x80" + b"\x7f" * size,
            lambda: self.random.choice(
                (b"-1", b"+1", b"1_0", b"0o7", b"9", b"8", b"1\0x", b"\0001", b"1 2", b"\t1", b"1\n", b"usr\0\0 x")
            ),
            lambda: bytes([self.random.randrange(256)]),
        )[:size]
        if self.random.random() < 0.2:
            first, new = self.random.randrange(BLOCK), bytes([self.random.randrange(256)])
        block[first : first + len(new)] = new

    def octal8(self, value: int) -> bytes:
        return self.pick(*[lambda: b"%07o\0" % value] * 6, lambda: b"%6o \0" % value, lambda: b"%o" % value).ljust(8, b"\0")[:8]

    def octal12(self) -> bytes:
        value = self.random.choice((0, 1_700_000_000))
        return self.pick(
            *[lambda: b"%011o\0" % value] * 6, lambda: b"%011o " % value, lambda: b"\x80%11o" % 0 if self.odd() else bytes(12)
        )[:12]

    def size(self, value: int) -> bytes:
        return self.pick(
            *[lambda: b"%011o\0" % value] * 8,
            lambda: b"%012o" % value,
            lambda: b"%11o " % value,
            lambda: (b"%o\0" % value).ljust(12, b"\0"),
            lambda: b"\x80" + value.to_bytes(11, "big"),
            lambda: (
                self.random.choice((b"0_%09o\0", b"+%010o\0", b"-%010o\0", b"0o%09o\0", b"\t%010o\0")) % value
                if self.odd(0.5)
                else b"%011o\0" % value
            ),
        )

    def content(self) -> bytes:
        return self.pick(
            bytes,
            lambda: b"c" * self.random.choice((1, 100, 511, 512, 513, 1024)),
            lambda: END,
            lambda: sealed(b"inner".ljust(124, b"\0") + b"00000000000\0" + bytes(20) + b"0" + bytes(355)),
        )

    def extension(self, kind: int) -> None:
        if kind in b"LK":
            name = self.random.choice(LONG_NAMES) + (b"" if self.odd() else b"\0")
            self.parts.append(self.extended(bytes([kind]), name))
        else:
            self.parts.append(self.extended(bytes([kind]), self.records()))

    def extended(self, kind: bytes, content: bytes) -> bytes:
        name = self.random.choice((b"././@LongLink", b"pax_global_header", b"PaxHeaders/x", b"usr/bin/.wh.su"))
        stored = content if not self.odd(0.02) else content[:-1]
        return self.header(name, kind=kind, size=self.size(len(stored))) + padded(stored)

    def records(self) -> bytes:
        made = b""
        for _ in range(self.random.choice((0, 1, 1, 2, 2, 3))):
            key, values = self.random.choice(RECORDS)
            if self.odd(0.25):
                key, values = self.random.choice(ODD_RECORDS)
            made += record(key, self.random.choice(values))
        if self.odd(0.1):
            made = self.pick(
                lambda: made + bytes(3),
                lambda: b"0" * 30 + made,
                lambda: b"+" + made,
                lambda: made.replace(b"=", b"", 1),
                lambda: made.replace(b"\n", b" ", 1),
                lambda: b"4 =\n" + made,
                lambda: b"99999 path=a\n",
                lambda: made + b"no record",
            )
        return made


def archive(seed: int) -> bytes:
    """The same for the same seed and the same code."""
    random = Random(seed)
    return Maker(random=random, wild=random.choice((0.0, 0.3, 0.3, 0.6, 1.0))).archive()
