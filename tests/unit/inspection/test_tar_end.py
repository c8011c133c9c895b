"""Where a tar ends, as Go's archive/tar has it."""

import pytest

from tests.unit.inspection.test_tar_as_go import sized
from tests.unit.inspection.test_tar_reader import header, paths, pieces, walk
from watcher.inspection.confined.tar import TarReader
from watcher.inspection.confined.tar_pieces import DamagedTarError


def test_one_block_of_zeros_is_an_end_only_at_the_end() -> None:
    """What follows it is another one, or nothing."""
    assert paths(header(b"own") + bytes(512)) == [b"own"]
    for behind in (header(b"behind"), b"x", bytes(100)):
        with pytest.raises(DamagedTarError, match="second block of zeros at byte 1024"):
            walk(header(b"own") + bytes(512) + behind)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("padding", [0, 300])
def test_an_archive_may_end_in_padding(keep: bool, padding: int) -> None:
    """All content is there, and to Go that is the end: `umoci insert` writes layers without any padding at their end."""
    reader = TarReader(pieces(header(b"own", sized(700)) + b"c" * 700 + bytes(padding)))
    seen = []
    for member in reader.members():
        seen.append(member)
        reader.keep = keep and len(seen) == 1
    assert {member[0] for member in seen} == {b"own"}
    assert not keep or seen[-1][7] == b"c" * 700


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("missing", [1, 100, 600])
def test_an_archive_that_ends_in_content_is_damaged(keep: bool, missing: int) -> None:
    """However little of it is missing, and however much padding its end would have had."""
    reader = TarReader(pieces(header(b"own", sized(700)) + b"c" * (700 - missing)))
    with pytest.raises(DamagedTarError, match="within a file"):
        for _ in reader.members():
            reader.keep = keep
