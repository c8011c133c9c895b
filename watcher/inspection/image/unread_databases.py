"""Package databases that an image has and nobody reads here: then its packages are not all known. Pure.

Where they are is after the catalogers of syft, and each tool's own documentation.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.protocol import asked
from watcher.inspection.image.links import Links

# Files, by whose they are. Each may lie behind links, as /var/lib/rpm does.
_FILES: Mapping[str, tuple[str, ...]] = {
    "rpm": tuple(
        f"{folder}/{name}"
        for folder in ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
        for name in ("rpmdb.sqlite", "Packages.db", "Packages")
    ),
    "rpm's container manifest": ("var/lib/rpmmanifest/container-manifest-1", "var/lib/rpmmanifest/container-manifest-2"),
    "opkg": tuple(f"{root}/{folder}/status" for root in ("var/lib", "usr/lib", "opt/lib") for folder in ("opkg", "ipkg")),
    "chisel": ("var/lib/chisel/manifest.wall",),
    "nix": ("nix/var/nix/db/db.sqlite",),
    "guix": ("var/guix/db/db.sqlite",),
    "pkg": ("var/db/pkg/local.sqlite",),
}

# Directories that have something in them only where a package is installed.
_DIRECTORIES: Mapping[str, tuple[str, ...]] = {
    "opkg": ("var/lib/opkg/info", "usr/lib/opkg/info", "opt/lib/opkg/info"),
    "dpkg's journal": ("var/lib/dpkg/updates",),
    "pacman": ("var/lib/pacman/local",),
    "portage": ("var/db/pkg",),
    "nix": ("nix/store",),
    "guix": ("gnu/store",),
    "snap": ("var/lib/snapd/snaps",),
    "flatpak": ("var/lib/flatpak/app", "var/lib/flatpak/runtime"),
    "Homebrew": ("home/linuxbrew/.linuxbrew/Cellar", "opt/homebrew/Cellar", "usr/local/Cellar"),
    "swupd": ("usr/share/clear/bundles",),
    "pkgtools": ("var/lib/pkgtools/packages", "var/log/packages"),
    "xbps": ("var/db/xbps",),
    "eopkg": ("var/lib/eopkg/package",),
    "kiss": ("var/db/kiss/installed",),
    "tce": ("usr/local/tce.installed",),
}

# Where each file is a package's, whatever it is called.
STATUS_D = "var/lib/dpkg/status.d"
_ANY_NAME: frozenset[bytes] = frozenset().union(*(each.directories for each in CATALOGERS.values()))

# An environment of conda may be anywhere.
_CONDA = "conda-meta/"


def unread_databases(paths: Sequence[str], links: Links) -> Iterator[tuple[str, str]]:
    """The path and the tool of each database among `paths`, which are sorted; one of conda for all of its environments."""
    for tool, files in _FILES.items():
        for path in files:
            real = links.follow(path)
            if real is not None and _at(paths, real):
                yield path, tool
    for tool, directories in _DIRECTORIES.items():
        for path in directories:
            real = links.follow(path)
            if real is not None and _below(paths, real):
                yield path, tool
    for path in paths:
        if _CONDA in path and path.endswith(".json") and f"/{path}".rpartition("/")[0].endswith("/conda-meta"):
            yield path.rpartition("/")[0], "conda"
            break


def leading_links(links: Links) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Symbolic links in the place of a database that is read, each with the files that it may stand for."""
    for path in links.paths:
        if path.lower().endswith((".dist-info", ".egg-info")):
            yield path, (path, f"{path}/METADATA", f"{path}/PKG-INFO")
        elif _is_asked_for(path):
            yield path, (path,)


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


def _is_asked_for(path: str) -> bool:
    directory, _, name = path.rpartition("/")
    return any(each.wants(path, 0) for each in asked(CATALOGERS.values(), name.encode(), directory.rpartition("/")[2].encode()))


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
