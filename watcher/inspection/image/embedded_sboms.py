"""What documents in an image list that was found itself as well: it is shown once, where it is. Pure."""

from watcher.model.inventory import PackageRecord

SBOM = "sbom"

Databases = dict[tuple[str, str], dict[PackageRecord, int]]


def without_repetitions(databases: Databases) -> Databases:
    """Without packages of documents that a database lists too, or a document before."""
    if not any(kind == SBOM for _, kind in databases):
        return databases
    known = {_called(record) for (_, kind), records in databases.items() if kind != SBOM for record in records}
    found: Databases = {}
    for (path, kind), records in sorted(databases.items()):
        if kind == SBOM:
            left = {record: layer for record, layer in records.items() if _called(record) not in known}
            known.update(map(_called, left))
            if left:
                found[path, kind] = left
        else:
            found[path, kind] = records
    return found


def _called(record: PackageRecord) -> tuple[str, str, str]:
    return record.type, record.source or record.name, record.version
