"""Which package.json files of an image are packages. Pure.

Spec: Node.js "Modules: CommonJS modules", "Loading from node_modules folders".
"""

import re
from collections.abc import Callable, Collection, Iterable

from watcher.inspection.catalogers.npm import is_found
from watcher.inspection.image.links import Links

NODE_MODULES = "node_modules"

# Where packages keep copies of others that were built into them, each below its own name: `next/dist/compiled/react-is`.
_COPIED = re.compile(rf"(?:^|/){NODE_MODULES}/(?:[^/]+/)+(?:compiled|vendor|vendored|third_party|bundled)/(?:@[^/]+/)?[^/@][^/]*\Z")


def packages_among(paths: Iterable[str], links: Links, exists: Callable[[str], bool]) -> frozenset[str]:
    """Those that Node finds by name, through a link in node_modules as well, those that others have copies of, and applications.

    An application's own is in no node_modules and in no directory of another; fixtures and templates are.
    """
    candidates = frozenset(paths)
    if not candidates:
        return candidates
    folders = {links.follow(path) for path in links.paths if path.rpartition("/")[2] == NODE_MODULES}
    scopes = {links.follow(path) for path in links.paths if _is_scope(path, folders)}

    def found(directory: str) -> bool:
        above, _, name = directory.rpartition("/")
        further, _, scope = above.rpartition("/")
        return (
            is_found(directory)
            or (above in folders and is_found(f"{NODE_MODULES}/{name}"))
            or (further in folders and is_found(f"{NODE_MODULES}/{scope}/{name}"))
            or (above in scopes and is_found(f"{NODE_MODULES}/@scope/{name}"))
        )

    linked = {links.follow(path) for path in links.paths if found(path)}
    directories = {path: path.rpartition("/")[0] for path in candidates}
    return frozenset(
        path
        for path, directory in directories.items()
        if found(directory) or directory in linked or is_copied(directory) or _is_an_applications_own(directory, exists)
    )


def is_copied(directory: str) -> bool:
    """Whether what is there is a copy that a package came with."""
    return _COPIED.search(directory) is not None


def _is_scope(path: str, folders: Collection[str | None]) -> bool:
    above, _, name = path.rpartition("/")
    return name.startswith("@") and (above.rpartition("/")[2] == NODE_MODULES or above in folders)


def _is_an_applications_own(directory: str, exists: Callable[[str], bool]) -> bool:
    # One in the root directory says nothing of what is below: that is a file system, not an application.
    if NODE_MODULES in directory.split("/"):
        return False
    above = directory.rpartition("/")[0]
    while above:
        if exists(f"{above}/package.json"):
            return False
        above = above.rpartition("/")[0]
    return True
