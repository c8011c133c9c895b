"""The tar walker against what Go's archive/tar was seen to make of thousands of archives, and against archives nobody has seen."""

import io
from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st

from tools.tar_oracle.archives import archive
from tools.tar_oracle.readings import by_go, by_us, difference, recorded
from watcher.inspection.confined.decompress import Input
from watcher.inspection.confined.layer_reader import LayerReader, Search
from watcher.inspection.workers.messages import Digests, Limits, Message


def test_recorded_archives_are_read_as_go_read_them() -> None:
    """No member is missing or another, in name, type, mode, owner, size, target or content, unless damage is said."""
    whole = damaged = 0
    for number, (raw, said) in enumerate(recorded()):
        go, ours = by_go(said), by_us(raw)
        assert not difference(go, ours), f"archive {number}"
        # What was read before the damage stands: the last member may be the one whose content is not all there.
        assert all(own[:7] == theirs[:7] for own, theirs in zip_longest(ours.members[:-1], go.members[: len(ours.members) - 1]))
        whole += not go.damage
        damaged += bool(ours.damage) and not go.damage
    assert number >= 2000
    assert whole > number / 3, "most archives are not simply broken"
    assert damaged < whole / 50, "but for a cut in the last padding, what Go reads whole is hardly ever called damaged"


def test_files_of_recorded_archives_have_the_digests_that_go_has() -> None:
    """As they come by, with the holes of sparse files filled where they have one: of what Go would unpack, or none."""
    search = Search.load(b"salt")
    limits = Limits(plain_bytes=1 << 30, files=1000, memory_bytes=1, cpu_seconds=1, file_digests="all")
    hashed = 0
    for number, (raw, said) in enumerate(recorded()):
        told: list[Message] = []
        LayerReader(limits=limits, search=search, emit=told.append).read(Input(io.BytesIO(raw).read))
        go = by_go(said)
        ours = [each.sha256[at : at + 8].hex() for each in of(told) for at in range(0, len(each.sha256), 32)]
        # Behind damage that Go does not go beyond, what follows is searched on, and said to be of a damaged archive.
        assert go.damage or {digest for *_, digest in go.members}.issuperset(ours), f"archive {number}"
        hashed += len(ours)
    assert hashed > number / 3, "many archives have files that are hashed"


def of(told: list[Message]) -> list[Digests]:
    return [each for each in told if isinstance(each, Digests)]


@given(st.integers(0, 2**64), st.sampled_from([1, 100, 511, 512, 513, 5000]))
def test_how_an_archive_is_cut_changes_nothing(seed: int, step: int) -> None:
    """The same members, the same damage and the same problems, however it comes."""
    raw = archive(seed)
    assert by_us(raw, step) == by_us(raw)
