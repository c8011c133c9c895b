"""Which package of the distribution brought a file, by the lists of its database. Pure.

A list is a claim of whoever made the image: what is owned is shown with its owner, and looked at like everything else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from watcher.inspection.image.links import Links
from watcher.model.inventory import FileList, PackageRecord

# Catalogers whose lists are of packages that another one finds.
_TYPES = {"dpkg-list": "deb", "alpm-files": "alpm", "opkg-list": "opkg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """`TYPE/NAME` by path, for the files that were asked for. `types` are those of packages whose files are listed."""

    names: Mapping[str, str]
    types: frozenset[str]

    def of(self, path: str) -> str:
        """Empty where no package brought it."""
        return self.names.get(path, "")


def owners_of(
    files: Mapping[str, int],
    lists: Iterable[FileList],
    databases: Mapping[tuple[str, str], Mapping[PackageRecord, int]],
    links: Links,
) -> Owners:
    """Whose `files` are, which have the layer that brought each.

    A file is its package's where the layer that brought it brought the package as well: one that another layer has put in its place
    is not.
    """
    roots = [(link, f"{target}/") for link in links.paths if "/" not in link and (target := links.follow(link))]
    asked = {name: path for path in files for name in (path, *_other_names(path, roots))}
    layers: dict[tuple[str, str], set[int]] = {}
    for records in databases.values():
        for record, layer in records.items():
            layers.setdefault((record.type, record.name), set()).add(layer)
    names: dict[str, str] = {}
    types: set[str] = set()
    for each in lists:
        kind = _TYPES.get(each.type, each.type)
        types.add(kind)
        brought = layers.get((kind, each.package))
        if brought is None:
            continue
        for line in asked.keys() & each.files.split("\n"):
            path = asked[line]
            if files[path] in brought:
                names[path] = f"{kind}/{each.package}"
    return Owners(names=names, types=frozenset(types))


def _other_names(path: str, roots: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Those by which a package may list it: `bin/ls` of `usr/bin/ls`, where `bin` is a link. `roots` have each such link and where
    it leads.
    """
    return (link + path[len(target) - 1 :] for link, target in roots if path.startswith(target))
