"""The search: every hit in its own file, with its line, however the layer is cut into pieces."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import hyperscan
import pytest

from watcher.inspection.confined.secret_stream import SecretStream, expressions_of
from watcher.inspection.expressions import compiled
from watcher.model.inventory import SecretHit


@dataclass
class WordRules:
    """One rule: `KEY-` and six digits. Remembers every window it was shown."""

    windows: list[bytes] = field(default_factory=list)

    def patterns(self) -> list[tuple[int, bytes, int]]:
        return [(0, rb"KEY-[0-9]{6}", 0)]

    def judge(self, rule_id: int, path: str, window: bytes, match_end: int, line: int | None) -> SecretHit | None:
        assert rule_id == 0
        self.windows.append(window)
        match = re.search(rb"KEY-([0-9]{6})$", window[:match_end])
        if match is None:
            return None
        return SecretHit(rule="key", title="", path=path, line=line, fingerprint=match[1].decode(), preview="")


DATABASE = compiled(hyperscan.HS_MODE_STREAM, expressions_of(WordRules()))

File = tuple[bytes, bytes]


def search(files: list[File], size: int, rules: WordRules | None = None, **limits: Any) -> SecretStream:
    """Lay the files out as a tar does, a block between each, and search them in pieces of `size`."""
    rules = rules or WordRules()
    layer, spans = b"", []
    for path, content in files:
        layer += b"h" * 512
        spans.append((len(layer), len(layer) + len(content), path))
        layer += content + bytes(-len(content) % 512)
    stream = SecretStream(judge=rules.judge, database=DATABASE, decode=bytes.decode, **limits)

    def pieces() -> Iterator[bytes]:
        for first in range(0, len(layer), size):
            yield layer[first : first + size]

    seen = 0
    for piece in stream.pieces(pieces()):
        # A walker knows a file once its header has come.
        seen += len(piece)
        while spans and spans[0][0] <= seen:
            stream.files.append(spans.pop(0))
    return stream


def found(files: list[File], size: int, **limits: Any) -> list[tuple[str, int | None, str]]:
    return [(hit.path, hit.line, hit.fingerprint) for hit in search(files, size, **limits).found]


SIZES = [1 << 20, 5000, 1024, 513, 512, 511, 100]


@pytest.mark.parametrize("size", SIZES)
def test_hits_are_found_in_their_file_with_their_line(size: int) -> None:
    """Pieces may be cut anywhere: within a hit, within its window, between the header and the content."""
    files = [
        (b"first", b"KEY-000001 in the first line\n"),
        (b"second", b"nothing\n" * 300 + b"KEY-000002\n" + b"more\n" * 500 + b"KEY-000003"),
        (b"empty", b""),
        (b"third", b"\n\nKEY-000004\nKEY-000005\n"),
    ]
    assert found(files, size) == [
        ("first", 1, "000001"),
        ("second", 301, "000002"),
        ("second", 802, "000003"),
        ("third", 3, "000004"),
        ("third", 4, "000005"),
    ]


@pytest.mark.parametrize("size", SIZES)
def test_a_large_text_has_lines_to_its_end(size: int) -> None:
    """Line breaks are counted over as many pieces as the file has."""
    files = [(b"log", b"a line of text\n" * 20_000 + b"KEY-123456")]
    assert found(files, size) == [("log", 20_001, "123456")]


def test_lines_are_counted_beyond_what_is_kept() -> None:
    """A text larger than what is kept for counting has right lines as well."""
    assert found([(b"log", b"line\n" * 5000 + b"KEY-123456")], 700, kept_bytes=2000) == [("log", 5001, "123456")]


@pytest.mark.parametrize("size", [1 << 20, 511])
def test_binaries_have_no_lines(size: int) -> None:
    """A file with a zero near its beginning is no text."""
    assert found([(b"elf", b"\x7fELF\0\0\n\nKEY-123456")], size) == [("elf", None, "123456")]


@pytest.mark.parametrize("size", SIZES)
def test_a_hit_over_the_border_of_two_files_is_none(size: int) -> None:
    """What begins in one file and ends in the next is in neither."""
    border = b"x" * 508 + b"KEY-"
    rules = WordRules()
    stream = SecretStream(judge=rules.judge, database=DATABASE, decode=bytes.decode)
    layer = border + b"123456" + b"y" * 506
    pieces = (layer[first : first + size] for first in range(0, len(layer), size))
    for index, _ in enumerate(stream.pieces(pieces)):
        if index == 0:
            stream.files.append((0, 512, b"one"))
        if (index + 1) * size >= 512 > index * size:
            stream.files.append((512, 1024, b"two"))
    assert not stream.found


def test_names_and_padding_are_not_searched() -> None:
    """A header is no content, even where it looks like a secret."""
    rules = WordRules()
    stream = SecretStream(judge=rules.judge, database=DATABASE, decode=bytes.decode)
    for _ in stream.pieces(iter([b"KEY-123456".ljust(512) + b"content".ljust(512) + b"KEY-123456"])):
        stream.files.append((512, 519, b"file"))
    assert not stream.found
    assert not rules.windows


@pytest.mark.parametrize("size", SIZES)
def test_a_window_is_cut_at_its_file(size: int) -> None:
    """Before a hit up to 4 KiB, behind it up to 1 KiB, and nothing of a neighbour."""
    rules = WordRules()
    search([(b"n", b"N" * 600), (b"f", b"b" * 6000 + b"KEY-123456" + b"a" * 3000), (b"n", b"N" * 600)], size, rules)
    (window,) = rules.windows
    assert window.endswith(b"a")
    assert window.startswith(b"b")
    assert window[4086:4096] == b"KEY-123456"
    assert len(window) <= 4096 + 1024
    if size >= 1024:
        assert len(window) == 4096 + 1024


def test_equal_hits_are_one() -> None:
    """The same value on the same line is one finding."""
    assert len(found([(b"f", b"KEY-123456 KEY-123456")], 100)) == 1


def test_a_layer_of_secrets_is_a_list_with_an_end() -> None:
    """Beyond the limit nothing is added, and it is said."""
    stream = search([(b"f", b"".join(b"KEY-%06d\n" % number for number in range(50)))], 200, max_secrets=10)
    assert (len(stream.found), stream.overflow) == (10, True)


@pytest.mark.parametrize("size", [1 << 20, 300])
def test_candidates_have_an_end_as_well(size: int) -> None:
    """A layer made of candidates stops the search, in one piece or over many."""
    rules = WordRules()
    stream = search([(b"f", b"KEY-000000\n" * 200)], size, rules, max_hits=20)
    assert stream.overflow
    assert len(rules.windows) <= 21
