"""Package databases that an image has and nobody reads here: then its packages are not all known. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

from watcher.inspection.catalogers.catalog import CATALOGERS, LOCKS, NOTED
from watcher.inspection.catalogers.protocol import Choice
from watcher.inspection.catalogers.unread import DIRECTORIES, FILES, NAMED
from watcher.inspection.image.links import Links

# Where each file is a package's, whatever it is called.
STATUS_D = "var/lib/dpkg/status.d"
_READ = tuple(each for each in CATALOGERS.values() if each.type not in NOTED | LOCKS)
_ASKED = Choice(_READ)
_ASKED_FOR_LOCKS = Choice(CATALOGERS[kind] for kind in LOCKS)
_ANY_NAME: frozenset[bytes] = frozenset().union(*(each.selection.directories for each in _READ))


def unread_databases(paths: Sequence[str], links: Links) -> Iterator[tuple[str, str]]:
    """The path and the tool of each database among `paths`, which are sorted."""
    for tool, files in FILES.items():
        for path in files:
            real = links.follow(path)
            if real is not None and _at(paths, real):
                yield path, tool
    for tool, directories in DIRECTORIES.items():
        for path in directories:
            real = links.follow(path)
            if real is not None and _below(paths, real):
                yield path, tool


def leading_links(links: Links) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Symbolic links in the place of a database that is read, each with the files that it may stand for."""
    for path in links.paths:
        if path.lower().endswith((".dist-info", ".egg-info")):
            yield path, (path, f"{path}/METADATA", f"{path}/PKG-INFO")
        elif _is_asked_for(path):
            yield path, (path,)


def leading_locks(links: Links) -> Iterator[str]:
    """Symbolic links that are called as a lock file is."""
    return (path for path in links.paths if any(each.wants(path, 0) for each in _ASKED_FOR_LOCKS.asked(path.encode())))


def linked_files(paths: Sequence[str], links: Links) -> Iterator[tuple[str, str]]:
    """Files that only a link brings to where one of any name is a database: the names they have there, and their own."""
    named = (path for path in links.paths if path.rpartition("/")[2].encode() in _ANY_NAME)
    for directory in (STATUS_D, *named):
        real = links.follow(directory)
        if not real or real == directory:
            continue
        for path in _children(paths, real):
            called = f"{directory}/{path.rpartition('/')[2]}"
            if _is_asked_for(called) and not _is_asked_for(path):
                yield called, path
    for directory in NAMED:
        real = links.follow(directory)
        if real and real != directory:
            yield from islice(_renamed(paths, directory, real), 1)  # of a thousand packages one says enough


def _renamed(paths: Sequence[str], directory: str, real: str) -> Iterator[tuple[str, str]]:
    for place in range(bisect_left(paths, f"{real}/"), len(paths)):
        path = paths[place]
        if not path.startswith(f"{real}/"):
            return
        called = f"{directory}{path[len(real) :]}"
        if _is_asked_for(called) and not _is_asked_for(path):
            yield called, path


def _is_asked_for(path: str) -> bool:
    return any(each.wants(path, 0) for each in _ASKED.asked(path.encode()))


def _children(paths: Sequence[str], directory: str) -> Iterator[str]:
    """What lies in a directory itself."""
    place = bisect_left(paths, f"{directory}/")
    while place < len(paths) and paths[place].startswith(f"{directory}/"):
        name, below, _ = paths[place][len(directory) + 1 :].partition("/")
        if below:
            place = bisect_left(paths, f"{directory}/{name}0", place)
        else:
            yield paths[place]
            place += 1


def _at(paths: Sequence[str], path: str) -> bool:
    place = bisect_left(paths, path)
    return place < len(paths) and paths[place] == path


def _below(paths: Sequence[str], directory: str) -> bool:
    place = bisect_left(paths, f"{directory}/")
    return place < len(paths) and paths[place].startswith(f"{directory}/")
