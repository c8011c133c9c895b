"""The packages of an image: what its databases list, with what only the whole image knows of each. Pure."""

from dataclasses import replace
from itertools import islice

from watcher.inspection.catalogers.purl import DISTRIBUTOR_TYPES, with_distro
from watcher.inspection.image.licence_expressions import expressions
from watcher.inspection.image.merge import MergedImage
from watcher.inspection.image.packaged_programs import PackagedPrograms
from watcher.model.inventory import Distro, Package, PackageRecord, Program

# More of them than anyone looks through.
MAX_PROGRAMS = 10_000
# As many as of one layer.
MAX_DECLARED = 100_000

# Catalogers that go by a text in a file, and not by a list of what is installed.
_TEXTS = frozenset({"native", "assembly", "java-release"})


def packages_of(merged: MergedImage, distro: Distro, base_layers: int) -> tuple[Package, ...]:
    """Every installed package once, by database and in its order; the lowest `base_layers` layers are the base image's."""
    # Of a distribution whose database lists files it is known which of them are a package's; of others they are told by name.
    by_name = (records for (_, kind), records in merged.databases.items() if kind not in _TEXTS)
    packaged = PackagedPrograms(
        (record for records in by_name for record in records if record.type not in merged.owners.types),
        {path.rpartition("/")[0] for path, kind in merged.databases if kind == "java-release"},
    )
    return tuple(
        Package(
            record=_in_image(record, path, merged, distro),
            path=f"{path}!/{record.place}" if record.place else path,
            layer=layer,
            from_base=layer < base_layers,
            owner=merged.owners.of(path),
        )
        for (path, kind), records in sorted(merged.databases.items())
        for record, layer in records.items()
        if kind not in _TEXTS or not (packaged.have(record, path) or _is_of_its_owner(record, merged.owners.of(path)))
    )


def _is_of_its_owner(record: PackageRecord, owner: str) -> bool:
    """Whether what a text in a file says is the package that brought the file: modules of Go, say, are others within it."""
    return bool(owner) and (record.type == "generic" or record.type in DISTRIBUTOR_TYPES)


def declared_of(merged: MergedImage, distro: Distro, base_layers: int) -> tuple[Package, ...]:
    """What lock files list, by file and in its order; at most MAX_DECLARED packages."""
    listed = ((path, record, layer) for (path, _), records in merged.declared.items() for record, layer in records.items())
    return tuple(
        Package(record=_in_image(record, path, merged, distro), path=path, layer=layer, from_base=layer < base_layers)
        for path, record, layer in islice(listed, MAX_DECLARED)
    )


def _in_image(record: PackageRecord, path: str, merged: MergedImage, distro: Distro) -> PackageRecord:
    """The record with the purl it has in this distribution, licences as expressions, and no place."""
    licenses, licensed_in = record.licenses, ""
    if (note := merged.licences.of(record, path)) is not None:
        licenses, licensed_in = note.licenses, note.path
    found = expressions(licenses)
    if found != record.licenses or licensed_in or record.place:
        record = replace(record, licenses=found, licensed_in=licensed_in, place="")
    if distro.id and record.type in DISTRIBUTOR_TYPES and "distro=" in record.purl and f"distro={distro.id}" not in record.purl:
        # Built for another distribution, as its note says: nothing that is known of this one's packages is true of it.
        record = replace(record, type="generic")
    return with_distro(record, distro)


def programs_of(merged: MergedImage, base_layers: int) -> tuple[Program, ...]:
    """Executables that nobody packaged and nothing is known of, by path; at most MAX_PROGRAMS of them."""
    wanted = set(merged.programs[:MAX_PROGRAMS])
    files = merged.files
    rows = {path: row for row, path in enumerate(files.path) if path in wanted} if wanted else {}
    return tuple(
        Program(path=path, layer=files.layer[row], size=files.size[row], from_base=files.layer[row] < base_layers)
        for path, row in rows.items()
    )
