"""Long sequences piece by piece: the same results as in one go."""

import random

from watcher.model.inventory import FileTable
from watcher.model.slices import ROWS, SORTED_AT_ONCE, in_order, set_of, slices


def table(count: int, *, layer: bool) -> FileTable:
    return FileTable(
        path=[str(number) for number in range(count)],
        kind=["f"] * count,
        mode=[0o644] * count,
        uid=list(range(count)),
        gid=[0] * count,
        size=[7] * count,
        link=[""] * count,
        layer=[number % 3 for number in range(count)] if layer else [],
    )


def test_slices_are_short_and_all_there_is() -> None:
    """In order; the last is what is left, and of nothing there is none."""
    found = [list(part) for part in slices(range(2 * ROWS + 1))]
    assert [len(part) for part in found] == [ROWS, ROWS, 1]
    assert [number for part in found for number in part] == list(range(2 * ROWS + 1))
    assert list(slices([])) == []


def test_a_set_of_many_is_that_of_all_of_them() -> None:
    """Duplicates far from each other included."""
    values = [*map(str, range(3 * ROWS)), "0", "29999"]
    assert set_of(values) == set(values)


def test_many_are_in_the_order_of_all_of_them() -> None:
    """Sorted in pieces, which then are merged."""
    values = list(range(SORTED_AT_ONCE + 10))
    random.Random(7).shuffle(values)
    assert in_order(values, str) == sorted(values, key=str)
    assert in_order(values[:100], str) == sorted(values[:100], key=str)


def test_a_table_is_the_sum_of_its_slices() -> None:
    """With and without the layers of its rows, and rows that are picked out of it."""
    for layer in (True, False):
        whole = table(2 * ROWS + 5, layer=layer)
        parts = list(whole.slices())
        assert [len(part) for part in parts] == [ROWS, ROWS, 5]
        assert FileTable.joined(parts) == whole
        picked = whole.rows(range(len(whole) - 1, -1, -2))
        assert picked.uid == whole.uid[::-2]
        assert picked.layer == whole.layer[::-2]
    assert FileTable.joined(FileTable().slices()) == FileTable()
