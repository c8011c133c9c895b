"""Layers put on top of each other: what is removed, hidden, replaced, and what is left. Pure.

Spec: OCI image-spec v1.1 "Image Layer Filesystem Changeset", "Whiteouts": they apply to the layers below, never to their own.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace

from watcher.inspection.image.links import Links
from watcher.model.inventory import DIRECTORY, SYMLINK, FileTable, LayerFacts


class Tree:
    """The image as far as layers have been applied, base first."""

    def __init__(self) -> None:
        # Every row of every layer; `rows` has the one that each path is now.
        self._all = FileTable()
        self._rows: dict[str, int] = {}
        self._symlinks: dict[str, str] = {}
        # Every path that ever had something below it: more than is left of them, never less.
        self._parents: set[str] = set()
        self.links = Links({})

    def apply(self, facts: LayerFacts, layer: int) -> None:
        """Put one layer on top, `layer` being its index. `links` are those of the new tree from then on."""
        # 1. What the layer removes from below, by the links as they are below.
        self._remove(facts)
        # 2. Its own links, which later entries of it are unpacked through; a directory or file takes the place of a link.
        files = facts.files
        paths = files.path
        replaced = self._symlinks.keys() & set(paths)
        for path in replaced:
            del self._symlinks[path]
        lower = Links(dict(self._symlinks))
        for row, kind in enumerate(files.kind):
            if kind == SYMLINK:
                self._symlinks[lower.entry(paths[row])] = files.link[row]
        self.links = Links(dict(self._symlinks))
        # 3. Where its entries really are. Hardly any layer writes through a link, so that is found out first.
        parents = _parents(paths)
        if not self._symlinks.keys().isdisjoint(parents):
            paths = [self.links.entry(path) for path in files.path]
            # Written through one link, an entry may have taken the place of another, which its neighbours then do not follow.
            rows = zip(paths, files.kind, strict=True)
            if replaced := {path for path, kind in rows if kind != SYMLINK and path in self._symlinks}:
                for path in replaced:
                    del self._symlinks[path]
                self.links = Links(dict(self._symlinks))
                paths = [self.links.entry(path) for path in files.path]
            parents = _parents(paths)
        # 4. What is not a directory hides everything below a directory of the same path.
        rows = zip(paths, files.kind, strict=True)
        below, links = self._parents, len(self._symlinks)
        self._remove_below([path for path, kind in rows if kind != DIRECTORY and path in below])
        if len(self._symlinks) < links:
            self.links = Links(dict(self._symlinks))
        first = len(self._all)
        self._rows.update(zip(paths, range(first, first + len(paths)), strict=True))
        self._all.extend(replace(files, path=paths))
        self._all.layer.extend([layer] * len(paths))
        self._parents |= parents

    def layer_of(self, path: str) -> int | None:
        """The layer that brought what is at this path now, None when nothing is. Directories of it are not followed."""
        row = self._rows.get(path)
        return None if row is None else self._all.layer[row]

    def files(self) -> FileTable:
        """What is left, sorted by path."""
        return self._all.rows([self._rows[path] for path in sorted(self._rows)])

    def _remove(self, facts: LayerFacts) -> None:
        entry = self.links.entry
        whiteouts = [entry(path) for path in facts.whiteouts]
        for path in whiteouts:
            self._rows.pop(path, None)
            self._symlinks.pop(path, None)
        followed = [self.links.follow(path) for path in facts.opaque]
        opaque = [path for path in followed if path is not None]
        if "" in opaque:
            self._rows.clear()
            self._symlinks.clear()
        self._remove_below([path for path in (*whiteouts, *opaque) if path in self._parents])

    def _remove_below(self, directories: Iterable[str]) -> None:
        keys: list[str] | None = None
        for directory in directories:
            if keys is None:
                # Once a layer: in order, everything below a directory lies between `directory/` and `directory0`.
                keys = sorted(self._rows)
            for path in keys[bisect_left(keys, directory + "/") : bisect_left(keys, directory + "0")]:
                self._rows.pop(path, None)
                self._symlinks.pop(path, None)


def _parents(paths: Iterable[str]) -> set[str]:
    """Every directory that something in `paths` lies below, the root left out."""
    parents: set[str] = set()
    for directory in {path.rpartition("/")[0] for path in paths}:
        parent = directory
        while parent and parent not in parents:
            parents.add(parent)
            parent = parent.rpartition("/")[0]
    return parents
