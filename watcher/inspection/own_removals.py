"""What a layer removes of its own: whiteouts concern the layers below, but unpackers go by the order of the archive. Pure.

Spec: `Apply` of containerd's package archive and `UnpackLayer` of github.com/moby/go-archive. A whiteout removes whatever is there
by then, or ends the unpacking; an opaque mark leaves what the archive has named before, but not what lies in directories that it
has not. On an overlay a whiteout is a device, and a hard link to it is one more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from watcher.inspection.hard_links import hard_links
from watcher.inspection.image.links import Links
from watcher.inspection.problems import MERGED, ProblemList
from watcher.model.inventory import SYMLINK, FileTable, Problem

_NEVER = 2**63


@dataclass(slots=True)
class Removals:
    """The marks of one layer, each with the number of entries that come before it."""

    whiteouts: dict[str, int] = field(default_factory=dict)
    opaque: dict[str, int] = field(default_factory=dict)

    def problems(self, files: FileTable) -> tuple[Problem, ...]:
        """What of the layer's entries, all of them in the order of the archive, not every unpacker leaves."""
        if not self.whiteouts and not self.opaque:
            return ()
        own = {path: target for path, kind, target in zip(files.path, files.kind, files.link, strict=True) if kind == SYMLINK}
        links = Links(own)
        removals = _Placed(
            whiteouts={links.entry(path): number for path, number in self.whiteouts.items()},
            opaque={links.follow(path) or "": number for path, number in self.opaque.items()},
        )
        places = list(map(links.entry, files.path)) if own else files.path
        for row, place in enumerate(places):
            removals.first.setdefault(place, row)
        found = ProblemList()
        for path in self._moving(files, own, links):
            what = f"what lies at {path[:200]} when it is removed is not what a later link of the layer makes of it"
            found.add("mark-before-link", what, MERGED)
        for row, place in enumerate(places):
            if removals.concern(place, row, moved=place != files.path[row]):
                path = files.path[row][:200]
                found.add("removes-its-own", f"{path} is removed by the same layer, which not every runtime does", MERGED)
        for row, source in hard_links(files):
            if source is None and removals.whiteouts.get(links.entry(files.link[row]), _NEVER) <= row:
                path = files.path[row][:200]
                found.add("link-to-whiteout", f"{path} is a hard link to what its layer removes: to an overlay a removal", MERGED)
        return found.all()

    def _moving(self, files: FileTable, own: Mapping[str, str], links: Links) -> Iterator[str]:
        """Marks that come before a link which they would lead through at the end."""
        before: dict[str, str] = {}
        then, row = Links(before), 0
        marks = sorted(
            (number, path, kind) for kind, each in enumerate((self.whiteouts, self.opaque)) for path, number in each.items()
        )
        for number, path, is_opaque in marks if own else ():
            for each in range(row, min(number, len(files))):
                if files.kind[each] == SYMLINK:
                    before[files.path[each]] = files.link[each]
                else:
                    before.pop(files.path[each], None)
            then, row = Links(before) if row < number else then, max(row, number)
            if (then.follow(path) != links.follow(path)) if is_opaque else (then.entry(path) != links.entry(path)):
                yield path


@dataclass(slots=True)
class _Above:
    """The marks that concern a directory: the last of those that remove all in it, the first and the last that empty one above."""

    removed: int = 0
    first_emptied: int = _NEVER
    last_emptied: int = 0


@dataclass(slots=True)
class _Placed:
    """Marks where they really are; `first` is the first entry of each path."""

    whiteouts: dict[str, int]
    opaque: dict[str, int]
    first: dict[str, int] = field(default_factory=dict)
    _known: dict[str, _Above] = field(default_factory=dict)

    def concern(self, path: str, row: int, *, moved: bool) -> bool:
        """`moved`: the archive has named it otherwise, which is not to have named it."""
        above = self._above(path.rpartition("/")[0])
        return row < max(self.whiteouts.get(path, 0), above.removed, above.last_emptied if moved else 0)

    def _above(self, directory: str) -> _Above:
        ahead = []
        while directory and directory not in self._known:
            ahead.append(directory)
            directory = directory.rpartition("/")[0]
        if directory not in self._known:
            number = self.opaque.get("")
            self._known[""] = _Above() if number is None else _Above(first_emptied=number, last_emptied=number)
        above = self._known[directory]
        for each in reversed(ahead):
            named = self.first.get(each, _NEVER)
            removed = max(above.removed, self.whiteouts.get(each, 0), above.last_emptied if named >= above.first_emptied else 0)
            number = self.opaque.get(each)
            above = _Above(
                removed=removed,
                first_emptied=above.first_emptied if number is None else min(above.first_emptied, number),
                last_emptied=above.last_emptied if number is None else max(above.last_emptied, number),
            )
            self._known[each] = above
        return above
