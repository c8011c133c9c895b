"""Assemblies of .NET that are no package of their own: files of one that is listed, and the hundred of a runtime. Pure."""

from collections.abc import Iterable, Mapping

from watcher.inspection.catalogers.assembly import RUNTIME
from watcher.model.inventory import PackageRecord

ASSEMBLY = "assembly"
NUGET = "nuget"

# What the runtime is called where it was put beside an application, and in its own list.
_RUNTIMES = ("runtimepack.microsoft.netcore.app.runtime", "microsoft.netcore.app.runtime")

Databases = dict[tuple[str, str], dict[PackageRecord, int]]


def without_parts(databases: Databases, listed: Iterable[str]) -> Databases:
    """Without assemblies among `listed`, which are the paths of files that packages bring, and with a runtime once.

    The lists are taken at their word, as are the names and versions that assemblies have themselves.
    """
    if not any(kind == ASSEMBLY for _, kind in databases):
        return databases
    files = set(listed)
    runtimes = {
        record.version
        for (_, kind), records in databases.items()
        if kind == NUGET
        for record in records
        if record.name.lower().startswith(_RUNTIMES) or record.name == RUNTIME
    }
    found: Databases = {}
    seen: set[tuple[str, str]] = set()
    for (path, kind), records in sorted(databases.items()):
        if kind != ASSEMBLY or not (path in files or _is_known(records, path, runtimes, seen)):
            found[path, kind] = records
    return found


def _is_known(records: Mapping[PackageRecord, int], path: str, runtimes: set[str], seen: set[tuple[str, str]]) -> bool:
    """Whether it is of a runtime that something else is already said to be of, which it is said of from now on."""
    versions = {record.version for record in records if record.name == RUNTIME}
    if not versions:
        return False
    places = {(path.rpartition("/")[0], version) for version in versions}
    known = versions <= runtimes or places <= seen
    seen |= places
    return known
