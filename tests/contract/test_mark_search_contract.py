"""What every MarkSearch keeps to (watcher/inspection/catalogers/native_search.py)."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.inspection.catalogers.native import MARKS
from watcher.inspection.catalogers.native_passages import MAX_MARKS
from watcher.inspection.catalogers.native_search import FileSearch, MarkSearch
from watcher.inspection.confined.layer_marks import LayerMarks
from watcher.inspection.confined.layer_reader import Search
from watcher.inspection.confined.secret_stream import SecretStream

DATABASE = Search.load(b"salt").database
# Not found, although they are in the layer as well: they are of no file, or of another.
BEFORE, BEHIND = b"go1.21 devel +", b"go1.22 devel +"
EXAMPLES: Mapping[int, bytes] = {0: b"\xff Go buildinf:", 2: b"go1.", 3: b"devel ", 7: b"\0\0\0\0\x7e\x1a\xfe\xcaFDO\0"}

Ends = list[tuple[int, int]]


def alone(pieces: list[bytes]) -> tuple[Ends, MarkSearch]:
    search = FileSearch(MARKS)
    return [end for piece in pieces for end in search.ends(piece)], search


def within_a_layer(pieces: list[bytes]) -> tuple[Ends, MarkSearch]:
    """As the walk does: each piece of the layer is searched, then its part of the file is fed."""
    stream = SecretStream(judge=lambda *_: None, database=DATABASE, decode=repr)
    search = LayerMarks(stream, len(BEFORE))
    layer = [BEFORE + pieces[0], *pieces[1:-1], pieces[-1] + BEHIND] if len(pieces) > 1 else [BEFORE + pieces[0] + BEHIND]
    found: Ends = []
    for part, _ in zip(pieces, stream.pieces(iter(layer)), strict=True):
        found += search.ends(part)
    return found, search


SEARCHES: Mapping[type[MarkSearch], object] = {FileSearch: alone, LayerMarks: within_a_layer}
SEARCHED = pytest.mark.parametrize("searched", [alone, within_a_layer])


def naive(content: bytes) -> Iterator[tuple[int, int]]:
    for at in range(len(content)):
        for mark, text in EXAMPLES.items():
            if content.startswith(text, at):
                yield at + len(text), mark


@SEARCHED
@given(parts=st.lists(st.sampled_from([*EXAMPLES.values(), b"x", b"go1", b"dev"]), min_size=1), cuts=st.sets(st.integers(1, 60)))
def test_every_mark_is_found_wherever_the_file_is_cut(searched: object, parts: list[bytes], cuts: set[int]) -> None:
    """Once, where it ends, and in order; none of what is before and behind the file."""
    assert callable(searched)
    content = b"".join(parts)
    places = [0, *sorted(cut for cut in cuts if cut < len(content)), len(content)]
    found, search = searched([content[first:last] for first, last in pairwise(places)])
    known = [(end, mark) for end, mark in found if end >= MARKS[mark].length and mark in EXAMPLES]
    assert known == sorted(naive(content))
    assert not search.overflow


def test_a_file_of_nothing_but_marks_ends_the_search() -> None:
    """By itself, where it costs more than it may."""
    _, search = alone([b"go1." * (MAX_MARKS + 2)])
    assert search.overflow
