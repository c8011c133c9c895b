"""Packages that several databases of one distribution list, as after a move from one kind to the next. Pure."""

from collections.abc import Collection, MutableMapping

from watcher.model.inventory import PackageRecord


def list_once(databases: MutableMapping[tuple[str, str], dict[PackageRecord, int]], kind: str, places: Collection[str]) -> None:
    """Leave each package in the first database of this kind that has it: at one of `places`, in their order, then below the
    directories of those.
    """
    below = tuple(f"{place.rpartition('/')[0]}/" for place in places)
    others = (path for path, of in databases if of == kind and path not in places and path.startswith(below))
    listed: set[tuple[str, str, str]] = set()
    for path in (*places, *sorted(others)):
        records = databases.get((path, kind), {})
        # Not all of them say the epoch.
        called = {record: (record.name, record.version.rpartition(":")[2], record.architecture) for record in records}
        for record, name in called.items():
            if name in listed:
                del records[record]
        listed.update(called.values())
