"""Layers put on top of each other: what is removed, hidden, replaced, and what is left. Pure.

Spec: OCI image-spec v1.1 "Image Layer Filesystem Changeset", "Whiteouts": they apply to the layers below, never to their own.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from watcher.inspection.catalogers.kept_texts import is_kept
from watcher.inspection.hard_links import hard_links, share_inode
from watcher.inspection.image.links import Links
from watcher.inspection.image.placing import Placing
from watcher.model.inventory import DIRECTORY, SYMLINK, FileTable, LayerFacts
from watcher.model.slices import in_order, set_of, slices

# What is said of the root, which has no name.
OPAQUE_ROOT = ".wh..wh..opq"

# Of what no two runtimes agree on, as much as anybody reads.
MAX_DISPUTED = 100


class Tree:
    """The image as far as layers have been applied, base first.

    `disputed` are paths on which runtimes differ, each with a sentence that says in what; `disputed_modes` the same where only the
    mode or owner of a file is concerned. At most MAX_DISPUTED of each.
    """

    def __init__(self) -> None:
        # Every row of every layer; `rows` has the one that each path is now.
        self._all = FileTable()
        self._rows: dict[str, int] = {}
        self._symlinks: dict[str, str] = {}
        # Every path that ever had something below it: more than is left of them, never less.
        self._parents: set[str] = set()
        # The rows of all names of a file that has several, by each of these rows; the first is the file's own.
        self._names: dict[int, list[int]] = {}
        self.links = Links({})
        self.disputed: dict[str, str] = {}
        self.disputed_modes: dict[str, str] = {}

    def apply(self, facts: LayerFacts, layer: int) -> Mapping[str, str]:
        """Put one layer on top, `layer` being its index. `links` are those of the new tree from then on.

        Gives the real path of each entry that is not where its own path says.
        """
        files = facts.files
        # What hard links lead to below, as long as it is still there.
        linked = [(row, own, self._at(files.link[row])) for row, own in hard_links(files)]
        # 1. What the layer has takes the place of a link of the same path: what it says of paths below means its own.
        parents = _parents(files.path)
        names = set_of(files.path)
        replaced = self._symlinks.keys() & names
        for path in replaced:
            del self._symlinks[path]
        placing = Placing(files=files, lower=self._symlinks)
        placing.dispute_early(replaced & parents)
        # 2. What the layer removes from below.
        removed, emptied = placing.removals(facts.whiteouts, facts.opaque)
        self._dispute_emptied(emptied, names, layer)
        self._remove(removed, emptied)
        # 3. Where its entries really are. Hardly any layer has something below a link, so that is found out first.
        paths = files.path
        own = {paths[row]: files.link[row] for row in _rows_of(files, SYMLINK)}
        moved: dict[str, str] = {}
        repeated = len(names) < len(paths)
        if not repeated and parents.isdisjoint(self._symlinks) and parents.isdisjoint(own):
            links = {**self._symlinks, **own}
            # Those that step 4 is about, of which there are hardly any, by sets: to look at each path takes a good part of it all.
            directories = {paths[row] for row in _rows_of(files, DIRECTORY)}
            doubtful = (names & self._parents | names & parents) - directories
        else:
            paths, links = placing.entries()
            moved = {path: place for path, place in zip(files.path, paths, strict=True) if path != place}
            parents = _parents(paths)
            doubtful = set_of(paths)
        self._dispute_restored(removed, zip(paths, files.kind, strict=True), parents, layer)
        # 4. What is not a directory hides everything below a directory of the same path, and what is below a path makes it one.
        files_only = (
            [path for path, kind in zip(paths, files.kind, strict=True) if kind != DIRECTORY and path in doubtful]
            if doubtful
            else []
        )
        hiding = [path for path in files_only if path in self._parents]
        restored: set[str] = set()
        if hiding:
            # A directory in the end: on an overlay what is below shows through it, as if there had been nothing else.
            last = dict(zip(paths, files.kind, strict=True))
            restored = {path for path in hiding if last[path] == DIRECTORY}
        self._remove_below([path for path in hiding if path not in restored], links)
        for path in parents.union(_parents((*removed, *emptied)), emptied):
            row = self._rows.get(path)
            if row is not None and self._all.kind[row] not in (DIRECTORY, SYMLINK):
                del self._rows[path]
        self._symlinks = links
        self.links = Links(links)
        first = len(self._all)
        for rows in slices(range(len(paths))):
            self._rows.update(zip(paths[rows[0] : rows[-1] + 1], range(first + rows[0], first + rows[-1] + 1), strict=True))
        self._all.extend(replace(files, path=paths))
        self._all.layer.extend([layer] * len(paths))
        self._parents |= parents
        # 5. A hard link is the file that it leads to.
        for row, own_row, below in linked:
            self._share(first + row, below if own_row is None else first + own_row)
            if own_row is None and files.link[row] not in names:
                # Through a link it may as well be what the layer itself has there: then it is as dangerous as either.
                self._share(first + row, self._at(files.link[row]))
        through = f"layer {layer} has it below a link of a lower layer, which not every runtime follows"
        _note(self.disputed, placing.disputed, through)
        hidden = [path for path in files_only if path in parents or path in restored]
        _note(self.disputed, hidden, f"layer {layer} has it both as something else than a directory and with entries below it")
        return moved

    def layer_of(self, path: str) -> int | None:
        """The layer that brought what is at this path now, None when nothing is. Directories of it are not followed."""
        row = self._rows.get(path)
        return None if row is None else self._all.layer[row]

    def files(self) -> FileTable:
        """What is left, sorted by path. A symbolic link where texts are kept has that of the file it leads to."""
        for path in filter(is_kept, self._symlinks if self._all.content else ()):
            real = self.links.follow(path)
            text = None if real is None else self._all.content.get(self._rows.get(real, -1))
            if text is not None and path in self._rows:
                self._all.content[self._rows[path]] = text
        return self._all.rows(in_order(self._rows.values(), self._all.path.__getitem__))

    def _dispute_emptied(self, emptied: Iterable[str], own: AbstractSet[str], layer: int) -> None:
        """Where an opaque directory does not mean the same to all: overlayfs merges the root whatever its mark says."""
        for path in emptied:
            row = self._rows.get(path)
            if not path and self._rows:
                _note(
                    self.disputed,
                    [OPAQUE_ROOT],
                    f"by this mark layer {layer} removes all that is below it, which an overlay does not",
                )
            elif row is not None and self._all.kind[row] not in (DIRECTORY, SYMLINK) and path not in own:
                _note(self.disputed, [path], f"layer {layer} empties it as a directory, and it is a file")

    def _dispute_restored(
        self, removed: Iterable[str], entries: Iterable[tuple[str, str]], parents: AbstractSet[str], layer: int
    ) -> None:
        """An overlay has the directory without its whiteout, and what is below shows through."""
        lower = self._parents.intersection(removed)
        if lower:
            own = {path for path, kind in entries if kind == DIRECTORY} | parents
            _note(
                self.disputed,
                lower & own,
                f"layer {layer} removes it and has it as a directory, through which an overlay shows more",
            )

    def _remove(self, removed: list[str], emptied: list[str]) -> None:
        for path in removed:
            self._rows.pop(path, None)
            self._symlinks.pop(path, None)
        if "" in emptied:
            self._rows.clear()
            self._symlinks.clear()
        self._remove_below([path for path in (*removed, *emptied) if path in self._parents], self._symlinks)

    def _remove_below(self, directories: Iterable[str], links: dict[str, str]) -> None:
        keys: list[str] | None = None
        for directory in directories:
            if keys is None:
                # Once a layer: in order, everything below a directory lies between `directory/` and `directory0`.
                keys = sorted(self._rows)
            for path in keys[bisect_left(keys, directory + "/") : bisect_left(keys, directory + "0")]:
                self._rows.pop(path, None)
                links.pop(path, None)

    def _at(self, path: str) -> int | None:
        return self._rows.get(self.links.entry(path))

    def _share(self, row: int, source: int | None) -> None:
        """Make a hard link what its file is; one that leads nowhere no runtime unpacks."""
        rows, path = self._all, self._all.path[row]
        if source is None or source == row or rows.kind[source] == DIRECTORY:
            return
        names = self._names.setdefault(source, [source])
        own = names[0]
        names.append(row)
        self._names[row] = names
        mode = rows.mode[own]
        if not share_inode(rows, row, own):
            if rows.mode[own] != mode:
                for name in names:
                    rows.mode[name] = rows.mode[own]
            if own in rows.capabilities:
                rows.capabilities.update(dict.fromkeys(names, rows.capabilities[own]))
            _note(
                self.disputed_modes,
                [path],
                "a hard link to a file of another mode, owner or capabilities, of which not every runtime makes the same",
            )
        if rows.kind[row] == SYMLINK and self._rows.get(path) == row:
            self._symlinks[path] = rows.link[row]
            self.links = Links(self._symlinks)


def _rows_of(files: FileTable, wanted: str) -> Iterator[int]:
    """The rows of this kind, without a look at any other column: each path is a text somewhere else in memory."""
    return (row for row, kind in enumerate(files.kind) if kind == wanted)


def _note(disputed: dict[str, str], paths: Iterable[str], reason: str) -> None:
    for path in paths:
        if len(disputed) >= MAX_DISPUTED:
            return
        disputed.setdefault(path, reason)


def _parents(paths: Iterable[str]) -> set[str]:
    """Every directory that something in `paths` lies below, the root left out."""
    parents: set[str] = set()
    for directory in {path.rpartition("/")[0] for path in paths}:
        parent = directory
        while parent and parent not in parents:
            parents.add(parent)
            parent = parent.rpartition("/")[0]
    return parents
