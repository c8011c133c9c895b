"""Merged images against two unpackers: one that has the whole tree, and one that has only the upper directory of an overlay."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.inspection.hard_links import last_of_each
from watcher.inspection.image.merge import MergedImage, merge
from watcher.model.digest import digest_of
from watcher.model.inventory import DIRECTORY, FILE, HARDLINK, SYMLINK, FileTable, LayerFacts

Row = tuple[str, str, int, str]
"""path, kind, mode, target of a link or content of a file"""
Layer = tuple[list[Row], list[str], list[str]]
"""entries, whiteouts, opaque directories"""


class RefusedError(Exception):
    """No container starts from it."""


@dataclass(slots=True)
class Node:
    """`layer` None: a directory that no entry names. Hard links share their node."""

    kind: str
    layer: int | None
    mode: int = 0o755
    target: str = ""
    opaque: bool = False


Names = dict[str, tuple[Node, int | None]]
"""A node by each of its names, and the layer that brought the name."""


@dataclass(slots=True)
class Disk:
    names: Names = field(default_factory=dict)

    def resolved(self, path: str) -> str:
        """Every link followed, within the root."""
        todo, done = path.split("/")[::-1], list[str]()
        for _ in range(100):
            if not todo:
                return "/".join(done)
            part = todo.pop()
            if part == "..":
                done = done[:-1]
            elif part:
                done.append(part)
                node = self.names.get("/".join(done), (None, None))[0]
                if node is not None and node.kind == SYMLINK:
                    done = [] if node.target.startswith("/") else done[:-1]
                    todo += node.target.split("/")[::-1]
        raise RefusedError

    def place(self, path: str) -> str:
        """Where an entry goes; its directory is made."""
        directory, _, name = path.rpartition("/")
        directory = self.resolved(directory)
        parts = directory.split("/") if directory else []
        for end in range(1, len(parts) + 1):
            node, _ = self.names.setdefault("/".join(parts[:end]), (Node(DIRECTORY, None), None))
            if node.kind != DIRECTORY:
                raise RefusedError
        return f"{directory}/{name}" if directory else name

    def remove(self, path: str) -> None:
        for name in [name for name in self.names if name == path or name.startswith(path + "/")]:
            del self.names[name]

    def write(self, row: Row, layer: int) -> None:
        path, kind, mode, target = row
        place = self.place(path)
        there = self.names.get(place, (None, None))[0]
        if kind == DIRECTORY and there is not None and there.kind == DIRECTORY:
            there.mode, there.layer = mode, layer
            self.names[place] = there, layer
            return
        self.remove(place)
        node = Node(kind, layer, mode, target)
        if kind == HARDLINK:
            found, _ = self.names.get(self.place(target), (None, None))
            if found is None or found.kind == DIRECTORY:
                raise RefusedError
            node = found
        self.names[place] = node, layer


def whole(layers: list[Layer]) -> Names:
    disk = Disk()
    for index, (rows, whiteouts, opaque) in enumerate(layers):
        for row in rows:
            # Builders write a directory before what is in it, the marks first.
            if row[1] == DIRECTORY and row[0] in opaque:
                disk.write(row, index)
        for path in opaque:
            directory = disk.place(path + "/x")[:-1]
            disk.names = {name: each for name, each in disk.names.items() if not name.startswith(directory) or each[1] == index}
        for path in whiteouts:
            disk.remove(disk.place(path))
        for row in rows:
            disk.write(row, index)
    return disk.names


def overlaid(layers: list[Layer]) -> Names:
    merged: Names = {}
    for index, (rows, whiteouts, opaque) in enumerate(layers):
        upper = Disk()
        white: set[str] = set()
        for row in rows:
            upper.write(row, index)
        for path in opaque:
            place = upper.resolved(path)
            upper.place(place + "/x")
            if place:
                upper.names[place][0].opaque = True
        for path in whiteouts:
            place = upper.place(path)
            if place in upper.names:
                raise RefusedError
            white.add(place)
        hidden = [*white, *(name for name, (node, _) in upper.names.items() if node.opaque or node.kind != DIRECTORY)]
        kept = {
            name: entry
            for name, entry in merged.items()
            if name not in white and not any(name.startswith(each + "/") for each in hidden)
        }
        for name, (node, layer) in upper.names.items():
            if node.kind == DIRECTORY and layer is None and name in kept and kept[name][0].kind == DIRECTORY:
                continue
            if node.kind == DIRECTORY and name in kept and kept[name][0].kind != DIRECTORY:
                kept = {each: entry for each, entry in kept.items() if each != name}
            kept[name] = node, layer
        merged = kept
    return merged


Listed = tuple[str, int | None, str, int]
"""kind, layer, content, mode"""


def listed(names: Names) -> dict[str, Listed]:
    return {
        name: (
            "l" if node.kind == SYMLINK else "d" if node.kind == DIRECTORY else "f",
            layer,
            node.target if node.kind == FILE else "",
            0 if node.kind == SYMLINK else node.mode,
        )
        for name, (node, layer) in names.items()
        if layer is not None
    }


def found(merged: MergedImage) -> dict[str, Listed]:
    files = merged.files
    rows = enumerate(zip(files.path, files.kind, files.layer, files.mode, strict=True))
    return {
        path: (FILE if kind == HARDLINK else kind, layer, files.sha256.get(row, b"").decode(), 0 if kind == SYMLINK else mode)
        for row, (path, kind, layer, mode) in rows
    }


def facts(layer: Layer) -> LayerFacts:
    rows, whiteouts, opaque = layer
    count = len(rows)
    table = FileTable(
        path=[row[0] for row in rows],
        kind=[row[1] for row in rows],
        mode=[row[2] for row in rows],
        uid=[0] * count,
        gid=[0] * count,
        size=[0] * count,
        link=["" if row[1] == FILE else row[3] for row in rows],
        sha256={number: row[3].encode() for number, row in enumerate(rows) if row[1] == FILE},
    )
    return LayerFacts(
        digest=digest_of(repr(layer).encode()),
        compressed_bytes=0,
        plain_bytes=0,
        files=last_of_each(table),
        whiteouts=tuple(whiteouts),
        opaque=tuple(opaque),
    )


paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
targets = st.one_of(paths, paths.map("/".__add__), paths.map("../".__add__))
rows = st.one_of(
    st.tuples(paths, st.just(FILE), st.sampled_from([0o644, 0o4755]), st.sampled_from("xyz")),
    st.tuples(paths, st.just(DIRECTORY), st.sampled_from([0o755, 0o700]), st.just("")),
    st.tuples(paths, st.just(SYMLINK), st.just(0o777), targets),
    st.tuples(paths, st.just(HARDLINK), st.just(0o644), paths),
)
layers = st.lists(
    st.tuples(st.lists(rows, max_size=5), st.lists(paths, max_size=2), st.lists(st.one_of(paths, st.just("")), max_size=1)),
    min_size=1,
    max_size=3,
)


def plain(layer: Layer) -> bool:
    """What it removes it does not have, nor a file or link above that."""
    removed = [*layer[1], *(f"{path}/" for path in layer[2])]
    above = [path for path, kind, _, _ in layer[0] if kind != DIRECTORY]
    brought = {path for path, _, _, _ in layer[0]}
    return brought.isdisjoint(layer[1]) and not any(mark.startswith(f"{path}/") for mark in removed for path in above)


@settings(max_examples=300)
@given(layers)
def test_what_is_not_disputed_is_as_any_unpacker_has_it(image: list[Layer]) -> None:
    """Every name, its layer and content, and a mode that is no less dangerous."""
    merged = merge(list(map(facts, image)))
    if merged.disputed or not all(map(plain, image)):
        return
    for unpack in (whole, overlaid):
        try:
            expected = listed(unpack(image))
        except RefusedError:
            continue
        got = found(merged)
        if merged.disputed_modes:
            expected, got = ({name: value[:3] for name, value in each.items()} for each in (expected, got))  # type: ignore[assignment]
        assert got == expected, unpack.__name__
