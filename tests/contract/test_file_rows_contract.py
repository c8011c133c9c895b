"""What is true of the files that rules run over, whether they are a merged table or written in a test case."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from watcher.evaluation.document.files import FileRows, MessageFiles, TableFiles
from watcher.model.inventory import FileTable

# Two that differ in their path only, one of another size, and one that is SUID.
TABLE = FileTable(
    path=["a", "b", "etc/c", "bin/su"],
    kind=["f", "f", "f", "f"],
    mode=[0o644, 0o644, 0o644, 0o4755],
    uid=[0, 0, 0, 0],
    gid=[0, 0, 0, 0],
    size=[1, 1, 2, 1],
    link=["", "", "", ""],
    layer=[0, 0, 0, 0],
    content={2: "kept", 1: ""},
    sha256={0: bytes(32), 3: b"\xff" * 32},
    capabilities={3: "cap_chown,cap_net_raw=ep cap_kill=i [rootid=7]"},
)
ROWS = range(len(TABLE.path))


def _table() -> TableFiles:
    return TableFiles(table=TABLE, layer_digests=("sha256:" + "1" * 64,))


def _messages() -> MessageFiles:
    return MessageFiles(messages=[_table().message(row) for row in ROWS])


KEPT: Mapping[type, Callable[[], FileRows]] = {TableFiles: _table, MessageFiles: _messages}


@pytest.fixture(params=KEPT)
def files(request: pytest.FixtureRequest) -> FileRows:
    made = KEPT[request.param]()
    assert type(made) is request.param
    return made


def test_every_row_has_an_absolute_path_and_a_message_of_it(files: FileRows) -> None:
    """In the order of their numbers."""
    assert len(files) == len(TABLE.path)
    assert list(files.paths()) == ["/a", "/b", "/etc/c", "/bin/su"]
    messages = [files.message(row) for row in ROWS]
    assert [getattr(each, "path") for each in messages] == list(files.paths())  # noqa: B009 - generated classes have no declared fields
    assert [getattr(each, "suid") for each in messages] == [False, False, False, True]  # noqa: B009


def test_what_was_not_kept_is_unset(files: FileRows) -> None:
    """Which an empty text is not."""
    assert [files.message(row).HasField("content") for row in ROWS] == [False, True, True, False]
    found: list[Any] = [files.message(row) for row in ROWS]
    assert [each.sha256 for each in found if each.HasField("sha256")] == ["00" * 32, "ff" * 32]
    assert len({*files.classes(ROWS, frozenset({"content"}))}) >= len({"nothing kept", "kept", "empty"})


def test_capabilities_are_those_that_are_permitted(files: FileRows) -> None:
    """One that is only inherited whoever runs the file must have already."""
    found: list[Any] = [files.message(row) for row in ROWS]
    assert [list(each.capabilities) for each in found] == [[], [], [], ["cap_chown", "cap_net_raw"]]


@pytest.mark.parametrize(
    "fields",
    [None, frozenset(), *map(frozenset, ({"size"}, {"suid", "path"}, {"size", "mode"}, {"content"}, {"capabilities"}, {"sha256"}))],
)
def test_rows_of_one_class_are_alike(files: FileRows, fields: frozenset[str] | None) -> None:
    """In every field that was asked for: what a rule says of one of them it says of all."""
    classes = files.classes(ROWS, fields)
    assert len(classes) == len(ROWS)
    for one in ROWS:
        for other in ROWS:
            if classes[one] == classes[other]:
                assert _values(files, one, fields) == _values(files, other, fields)


def test_classes_are_of_the_rows_that_were_asked_for(files: FileRows) -> None:
    """In their order."""
    fields = frozenset({"size"})
    whole = files.classes(ROWS, fields)
    assert list(files.classes([3, 2], fields)) == [whole[3], whole[2]]


def _values(files: FileRows, row: int, fields: frozenset[str] | None) -> list[object]:
    names = ("path", "size", "mode", "suid", "content", "capabilities", "sha256") if fields is None else sorted(fields)
    return [getattr(files.message(row), name) for name in names]
