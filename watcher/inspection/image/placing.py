"""Where the entries of one layer really are, and what it removes from below. Pure.

Spec: `Apply` of containerd's package archive and `Unpack` of github.com/moby/go-archive, which unpack in the order of the archive.
An unpacker that has only the upper directory of an overlay (dockerd, and containerd on overlayfs) makes a directory where a path of
the layer leads through a link of a lower one; an unpacker that has the whole tree (containerd without root, its native snapshotter,
umoci) writes through that link. Here it is followed, and whoever asks is told.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from watcher.inspection.image.links import Links
from watcher.model.inventory import SYMLINK, FileTable


@dataclass(slots=True, kw_only=True)
class Placing:
    """One layer on top of the links `lower`, without those whose place the layer takes.

    `disputed` are its paths that lead through one of them.
    """

    files: FileTable
    lower: Mapping[str, str]
    disputed: list[str] = field(default_factory=list)

    def dispute_early(self, replaced: AbstractSet[str]) -> None:
        """`replaced` are lower links whose place the layer takes: what it has below one of them before that may lead through it."""
        begun: set[str] = set()
        for path in self.files.path if replaced else ():
            if path in replaced and path in begun:
                self.disputed.append(path)
            parent = path.rpartition("/")[0]
            while parent and parent not in begun:
                begun.add(parent)
                parent = parent.rpartition("/")[0]

    def removals(self, whiteouts: tuple[str, ...], opaque: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """The real paths that are removed, and the directories that are emptied of what lower layers have in them.

        Wherever in the layer the marks are: they concern what is below a directory once the layer's own entries are there.
        """
        if not whiteouts and not opaque:
            return [], []
        lower, files = Links(self.lower), self.files
        own = {lower.entry(files.path[row]): files.link[row] for row, kind in enumerate(files.kind) if kind == SYMLINK}
        whole, upper = Links({**self.lower, **own}), Links(own)
        removed = [whole.entry(path) for path in whiteouts]
        circles = [whole.directory(path.rpartition("/")[0]) is None for path in whiteouts]
        places = zip(whiteouts, removed, circles, strict=True)
        self.disputed += [path for path, place, circle in places if circle or place != upper.entry(path)]
        followed = [whole.follow(path) for path in opaque]
        self.disputed += [
            path for path, place in zip(opaque, followed, strict=True) if place is None or place != upper.follow(path)
        ]
        return removed, [place for place in followed if place is not None]

    def entries(self) -> tuple[list[str], dict[str, str]]:
        """The real path of each entry, and the links there are then, lower ones included. A link counts from its own entry on."""
        places: list[str] = []
        now, own = dict(self.lower), dict[str, str]()
        whole, upper = Links(now), Links(own)
        for path, kind, target in zip(self.files.path, self.files.kind, self.files.link, strict=True):
            place = whole.entry(path)
            if place != upper.entry(path) or whole.directory(path.rpartition("/")[0]) is None:
                self.disputed.append(path)
            places.append(place)
            if kind == SYMLINK:
                now[place] = own[place] = target
            elif place in now:
                del now[place]
                own.pop(place, None)
            else:
                continue
            whole, upper = Links(now), Links(own)
        return places, now
