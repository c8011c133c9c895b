"""Packages once by content, in sets that images share: what one layer brings to an image, in the order of the inspection.

What differs from image to image is small: which set each layer brings, whether the layer is the base's, and how the packages of
several layers alternate within one database. Everything else is kept once for all images on the same layers.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

import msgspec
import zstandard
from sqlalchemy import Connection, Row, delete, select

from watcher.kit.memory import Memory
from watcher.model.first_use import known
from watcher.model.inventory import Package, PackageRecord
from watcher.store.statements import ids_of, insert_new, parts, unpack
from watcher.store.tables import image_set, package, package_set, set_package

# Some 20 MiB. Ten thousand images on a few hundred bases have as many.
MOST_REMEMBERED = 30_000

Runs = tuple[tuple[int, int], ...]
"""(layer, how many packages of it) as they follow each other in an inspection."""

_FIRST_FIELDS = ("type", "name", "version", "architecture", "source", "source_version", "licenses", "maintainer", "purl")


class _Run(msgspec.Struct, frozen=True, array_like=True):
    """Packages that follow each other in a set: of one database, and one owner. Sets of before there were owners have none."""

    path: str
    count: int
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """What one layer brought. `paths` are packed, `members` digests in order, `packages` the rows of those."""

    position: int
    from_base: bool
    digest: bytes
    paths: bytes
    members: tuple[bytes, ...]
    packages: dict[bytes, dict[str, Any]]


class _Detail(msgspec.Struct, frozen=True, array_like=True):
    """`package.detail`: what of a record has no column. `source` is None where the column says it."""

    architecture: str
    source_version: str
    licenses: tuple[str, ...]
    maintainer: str
    source: str | None
    licensed_in: str = ""


def runs_of(packages: Sequence[Package]) -> Runs:
    return tuple((layer, sum(1 for _ in run)) for layer, run in groupby(packages, lambda each: each.layer))


def sets_of(packages: Sequence[Package]) -> tuple[PackageSet, ...]:
    """One set a layer, base first."""
    by_layer: defaultdict[int, list[Package]] = defaultdict(list)
    for each in packages:
        by_layer[each.layer].append(each)
    return tuple(_set(position, brought) for position, brought in sorted(by_layer.items()))


def write_sets(connection: Connection, image_id: int, sets: Sequence[PackageSet]) -> None:
    """Make these the sets of the image. An image of which the same is known is left as it is; sets that others may use stay."""
    held = (
        select(image_set.c.position, image_set.c.from_base, package_set.c.digest)
        .join(package_set, package_set.c.id == image_set.c.set_id)
        .where(image_set.c.image_id == image_id)
    )
    known = {(row.position, row.from_base, row.digest) for row in connection.execute(held)}
    if known == {(each.position, each.from_base, each.digest) for each in sets}:
        return
    connection.execute(delete(image_set).where(image_set.c.image_id == image_id))
    ids = _written(connection, sets)
    rows = [
        {"image_id": image_id, "position": each.position, "set_id": ids[each.digest], "from_base": each.from_base} for each in sets
    ]
    if rows:
        connection.execute(image_set.insert(), rows)


class Records:
    """Records of packages by their ids. Images share most of theirs, so that whoever reads many images reads each once.

    What is recorded under an id never changes. Threads may share them.
    """

    def __init__(self, limit: int = MOST_REMEMBERED) -> None:
        self._known = Memory[int, PackageRecord](limit)

    def of(self, connection: Connection, ids: Sequence[int]) -> Sequence[PackageRecord]:
        """In the order of `ids`."""
        found = self._known.known(ids)
        for part in parts([each for each in dict.fromkeys(ids) if each not in found]):
            rows = connection.execute(select(package).where(package.c.id.in_(part)))
            for row in rows:
                found[row.id] = record_of(row)
                self._known.keep(row.id, found[row.id])
        return [found[each] for each in ids]


def read_packages(connection: Connection, image_id: int, runs: Runs, records: Records) -> Iterator[Package]:
    """The packages of an image as they were recorded, in that order."""
    held = (
        select(image_set.c.position, image_set.c.from_base, package_set.c.id, package_set.c.paths)
        .join(package_set, package_set.c.id == image_set.c.set_id)
        .where(image_set.c.image_id == image_id)
    )
    brought = {row.position: _packages(connection, row, records) for row in connection.execute(held).all()}
    for layer, count in runs:
        for _ in range(count):
            yield next(brought[layer])


def _set(position: int, packages: Sequence[Package]) -> PackageSet:
    rows = [_row(each.record) for each in packages]
    members = tuple(row["digest"] for row in rows)
    runs = ((key, sum(1 for _ in run)) for key, run in groupby(packages, lambda each: (each.path, each.owner)))
    packed = msgspec.msgpack.encode([(path, count, owner) if owner else (path, count) for (path, owner), count in runs])
    return PackageSet(
        position=position,
        from_base=packages[0].from_base,
        digest=sha256(packed + b"".join(members)).digest(),
        paths=zstandard.compress(packed),
        members=members,
        packages=dict(zip(members, rows, strict=True)),
    )


def _row(record: PackageRecord) -> dict[str, Any]:
    source = record.source or record.name
    detail = _Detail(
        architecture=record.architecture,
        source_version=record.source_version,
        licenses=record.licenses,
        maintainer=record.maintainer,
        source=None if record.source == source else record.source,
        licensed_in=record.licensed_in,
    )
    return {
        "digest": sha256(msgspec.msgpack.encode(_content(record))).digest(),
        "ecosystem": record.type,
        "name": record.name,
        "version": record.version,
        "source": source,
        "purl": record.purl,
        "detail": msgspec.msgpack.encode(detail),
    }


def _content(record: PackageRecord) -> dict[str, Any]:
    """What a record's digest is of. A field that came later counts where it says something, so that older digests stand."""
    fields = {name: getattr(record, name) for name in _FIRST_FIELDS}
    return fields | {"licensed_in": record.licensed_in} if record.licensed_in else fields


def _written(connection: Connection, sets: Sequence[PackageSet]) -> dict[bytes, int]:
    """The ids of the sets, which are there now."""
    known: dict[bytes, int] = ids_of(connection, package_set, [each.digest for each in sets])
    new = {each.digest: each for each in sets if each.digest not in known}
    if not new:
        return known
    packages = {digest: row for each in new.values() for digest, row in each.packages.items()}
    insert_new(connection, package, [packages[digest] for digest in sorted(packages)])
    package_ids: dict[bytes, int] = ids_of(connection, package, packages)
    insert_new(connection, package_set, [{"digest": digest, "paths": new[digest].paths} for digest in sorted(new)])
    new_ids: dict[bytes, int] = ids_of(connection, package_set, new)
    edges = [
        {"set_id": new_ids[digest], "position": position, "package_id": package_ids[member]}
        for digest, each in new.items()
        for position, member in enumerate(each.members)
    ]
    insert_new(connection, set_package, sorted(edges, key=lambda edge: (edge["set_id"], edge["position"])))
    return known | new_ids


def _packages(connection: Connection, held: Any, records: Records) -> Iterator[Package]:
    """The packages of one row of `read_packages`' query."""
    members = select(set_package.c.package_id).where(set_package.c.set_id == held.id).order_by(set_package.c.position)
    ordered = iter(records.of(connection, connection.execute(members).scalars().all()))
    for run in unpack(held.paths, tuple[_Run, ...]):
        for _ in range(run.count):
            yield Package(record=next(ordered), path=run.path, layer=held.position, from_base=held.from_base, owner=run.owner)


def record_of(row: Row[Any]) -> PackageRecord:
    """The record of a row of `package`."""
    detail = msgspec.msgpack.decode(row.detail, type=known(_Detail))
    return PackageRecord(
        type=row.ecosystem,
        name=row.name,
        version=row.version,
        architecture=detail.architecture,
        source=row.source if detail.source is None else detail.source,
        source_version=detail.source_version,
        licenses=detail.licenses,
        maintainer=detail.maintainer,
        licensed_in=detail.licensed_in,
        purl=row.purl,
    )
