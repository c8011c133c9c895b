"""The packages of an image: what its databases list, with what only the whole image knows of each. Pure."""

from dataclasses import replace

from watcher.inspection.catalogers.purl import DISTRIBUTOR_TYPES, with_distro
from watcher.inspection.image.licence_expressions import expressions
from watcher.inspection.image.merge import MergedImage
from watcher.inspection.image.packaged_programs import PackagedPrograms
from watcher.model.inventory import Distro, Package, PackageRecord

# Catalogers that go by a text in a file, and not by a list of what is installed.
_TEXTS = frozenset({"native", "java-release"})


def packages_of(merged: MergedImage, distro: Distro, base_layers: int) -> tuple[Package, ...]:
    """Every installed package once, by database and in its order; the lowest `base_layers` layers are the base image's."""
    packaged = PackagedPrograms(
        (record for (_, kind), records in merged.databases.items() if kind not in _TEXTS for record in records),
        {path.rpartition("/")[0] for path, kind in merged.databases if kind == "java-release"},
    )
    return tuple(
        Package(
            record=_in_image(record, merged, distro),
            path=f"{path}!/{record.place}" if record.place else path,
            layer=layer,
            from_base=layer < base_layers,
        )
        for (path, kind), records in sorted(merged.databases.items())
        for record, layer in records.items()
        if kind not in _TEXTS or not packaged.have(record, path)
    )


def _in_image(record: PackageRecord, merged: MergedImage, distro: Distro) -> PackageRecord:
    """The record with the purl it has in this distribution, licences as expressions, and no place."""
    licenses, licensed_in = record.licenses, ""
    if record.type == "deb" and (note := merged.licences.get(record.name)) is not None:
        licenses, licensed_in = note.licenses, note.path
    found = expressions(licenses)
    if found != record.licenses or licensed_in or record.place:
        record = replace(record, licenses=found, licensed_in=licensed_in, place="")
    if distro.id and record.type in DISTRIBUTOR_TYPES and "distro=" in record.purl and f"distro={distro.id}" not in record.purl:
        # Built for another distribution, as its note says: nothing that is known of this one's packages is true of it.
        record = replace(record, type="generic")
    return with_distro(record, distro)
