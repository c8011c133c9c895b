"""Packages of Nix: each is a directory HASH-NAME-VERSION in /nix/store, and nothing else of it need be there. Pure.

What images hold of Nix is mostly the store alone: dockerTools copies no database. What is in the store is what can be run.

Spec: Nix manual, "Store path"; Nixpkgs manual, "Package naming"; builtins.parseDrvName
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.image.links import Links
from watcher.model.inventory import DIRECTORY, FileTable, PackageRecord

NIX = "nix"
STORE = "nix/store"

# A version begins with the first digit behind a dash, in a name that may have dashes itself.
_PATH = re.compile(r"([0-9a-z]{32})-(.+?)-(\d.*)", re.DOTALL)
_UNSTABLE = "-unstable"
_MAX_NAME = 211  # nix's own limit


def store_packages(files: FileTable, links: Links) -> dict[tuple[str, str], dict[PackageRecord, int]]:
    """The package of each directory of the store that has a version in its name, with the layer it is of, by path and NIX.

    `files` are sorted by path. What has no version is a source, a script, or a tree of links to others.
    """
    store = links.follow(STORE)
    if not store:
        return {}
    found: dict[tuple[str, str], dict[PackageRecord, int]] = {}
    for path, row in _directories(files, store):
        if (path, NIX) not in found and (record := package(path.rpartition("/")[2])) is not None:
            found[path, NIX] = {record: files.layer[row]}
    return found


def package(name: str) -> PackageRecord | None:
    """Of the store path that ends in `name`; None when that says no version. Several outputs of one package are one each."""
    found = _PATH.fullmatch(name) if len(name) <= _MAX_NAME and name.isprintable() and not name.endswith(".drv") else None
    if found is None:
        return None
    digest, called, version = found.groups()
    if called.endswith(_UNSTABLE):
        called, version = called.removesuffix(_UNSTABLE), f"unstable-{version}"
    before, _, last = version.rpartition("-")
    output = last if before and not any(map(str.isdigit, last)) else ""
    version = before if output else version
    return PackageRecord(
        type=NIX,
        name=called,
        version=version,
        source=called,
        source_version=version,
        purl=package_url(NIX, called, version, qualifiers={"output": output, "outputhash": digest}),
    )


def _directories(files: FileTable, store: str) -> Iterator[tuple[str, int]]:
    """What is in the store and has something in it or is a directory, perhaps twice, and its first row."""
    paths, begin = files.path, f"{store}/"
    row = bisect_left(paths, begin)
    while row < len(paths) and paths[row].startswith(begin):
        name, below, _ = paths[row][len(begin) :].partition("/")
        if below or files.kind[row] == DIRECTORY:
            yield begin + name, row
        # `0` comes behind the slash: of a directory only the first row is looked at.
        row = bisect_left(paths, f"{begin}{name}0", row + 1) if below else row + 1
