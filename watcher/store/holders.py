"""From packages to the images that hold them: package, set, image, each step by an index."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Row, Select, and_, or_, select, union

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName
from watcher.store.images import image_rows
from watcher.store.packages import record_of
from watcher.store.protocol import HeldPackage, Holder, HoldingImage, InstalledPackage, PackageName, PackageQuery
from watcher.store.statements import Transactions, parts
from watcher.store.tables import image, image_set, package, set_package, verdict

# Whose advisories name what is installed, or may: of the others they name the source.
NAMED_AS_INSTALLED = frozenset({"rpm", "npm"})

Packages = Select[Any] | CompoundSelect[Any]
"""A query for the ids of packages."""


class StoredPackageIndex:
    """`PackageIndex` of watcher/store/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def holding(self, wanted: PackageQuery, *, after: Digest | None = None, limit: int = 100) -> Sequence[HoldingImage]:
        """See `PackageIndex.holding`."""
        asked = _asked_for(wanted)
        # Along the index of digests, and not from all images that hold it, which may be all there are: hence the sum.
        page = select(image.c.id).where((image.c.id + 0).in_(_images(asked))).order_by(image.c.digest).limit(limit)
        if after is not None:
            page = page.where(image.c.digest > after)

        def run(connection: Connection) -> Sequence[HoldingImage]:
            return _holding(connection, connection.execute(page).scalars().all(), [asked])

        return await self._database.read(run)

    async def installed(self, names: Collection[PackageName]) -> Sequence[InstalledPackage]:
        """See `PackageIndex.installed`."""

        def run(connection: Connection) -> Sequence[InstalledPackage]:
            found = {
                (row.package_id, row.distro): None
                for known, distro in _by_kind(names)
                for row in connection.execute(_narrowed(_held(known).add_columns(image.c.distro).distinct(), distro))
            }
            rows = _rows(connection, sorted({number for number, _ in found}))
            return [InstalledPackage(id=number, record=record_of(rows[number]), distro=distro) for number, distro in found]

        return await self._database.read(run)

    async def holding_any(
        self, wanted: Collection[InstalledPackage], *, after: Digest | None = None, limit: int = 100
    ) -> Sequence[HoldingImage]:
        """See `PackageIndex.holding_any`."""
        by_distro: defaultdict[str, list[int]] = defaultdict(list)
        for each in wanted:
            by_distro[each.distro].append(each.id)
        asked = [*parts(sorted({each.id for each in wanted}))]
        meant = {(each.id, each.distro) for each in wanted}

        def run(connection: Connection) -> Sequence[HoldingImage]:
            candidates: dict[str, int] = {}
            for distro, numbers in by_distro.items():
                for part in parts(numbers):
                    held = select(image.c.digest, image.c.id).where(image.c.distro == distro, image.c.id.in_(_images(part)))
                    later = held.where(image.c.digest > after) if after is not None else held
                    candidates.update((digest, number) for digest, number in connection.execute(later))
            ids = [candidates[digest] for digest in nsmallest(limit, candidates)]
            return [_only(each, meant) for each in _holding(connection, ids, asked)]

        return await self._database.read(run)

    async def holders(self, names: Collection[PackageName]) -> Sequence[Holder]:
        """See `PackageIndex.holders`."""

        def run(connection: Connection) -> Sequence[Holder]:
            ids: set[int] = set()
            for known, distro in _by_kind(names):
                held = _images(known)
                if distro:
                    held = _narrowed(held.join(image, image.c.id == image_set.c.image_id), distro)
                ids.update(connection.execute(held.distinct()).scalars())
            return _holders(connection, sorted(ids))

        return await self._database.read(run)


def _by_kind(names: Collection[PackageName]) -> Iterator[tuple[Packages, str]]:
    """Packages, and the distribution that their images must be of. By type, since for pairs SQLite looks through a whole index."""
    by_kind: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for each in names:
        by_kind[each.type, each.distro].add(each.name)
    for (kind, distro), wanted in by_kind.items():
        for part in parts(sorted(wanted)):
            yield _known_by(kind, part), distro


def _asked_for(wanted: PackageQuery) -> Packages:
    if wanted.name:
        return union(*(select(package.c.id).where(column == wanted.name) for column in (package.c.name, package.c.source)))
    longer = and_(package.c.purl >= f"{wanted.purl}?", package.c.purl < f"{wanted.purl}A")  # what begins with it and ? or @
    return select(package.c.id).where(or_(package.c.purl == wanted.purl, longer))


def _known_by(kind: str, names: Sequence[str]) -> Packages:
    columns = (package.c.source, package.c.name) if kind in NAMED_AS_INSTALLED else (package.c.source,)
    return union(*(select(package.c.id).where(package.c.ecosystem == kind, column.in_(names)) for column in columns))


def _images(packages: Packages | Sequence[int]) -> Select[Any]:
    sets = select(set_package.c.set_id).where(set_package.c.package_id.in_(packages))
    return select(image_set.c.image_id).where(image_set.c.set_id.in_(sets))


def _held(packages: Packages) -> Select[Any]:
    """Packages with the images that hold them."""
    return (
        select(set_package.c.package_id)
        .join(image_set, image_set.c.set_id == set_package.c.set_id)
        .join(image, image.c.id == image_set.c.image_id)
        .where(set_package.c.package_id.in_(packages))
    )


def _narrowed(images: Select[Any], distro: str) -> Select[Any]:
    if not distro:
        return images
    named = [image.c.distro.startswith(f"{distro}{mark}", autoescape=True) for mark in ".:"]
    return images.where(or_(image.c.distro == distro, *named))


def _holding(connection: Connection, ids: Sequence[int], asked: Sequence[Packages | Sequence[int]]) -> Sequence[HoldingImage]:
    """The images with those of their packages that were asked for, in order of digest."""
    sets = connection.execute(
        select(image.c.digest, image.c.distro, image_set.c.position, image_set.c.from_base, image_set.c.set_id)
        .join(image_set, image_set.c.image_id == image.c.id)
        .where(image.c.id.in_(ids))
        .order_by(image_set.c.image_id, image_set.c.position)
    ).all()
    members = _members(connection, sorted({each.set_id for each in sets}), asked)
    rows = _rows(connection, sorted({number for numbers in members.values() for number in numbers}))
    packages: defaultdict[str, dict[HeldPackage, None]] = defaultdict(dict)
    for digest, _, position, from_base, set_id in sets:
        for number in members.get(set_id, ()):
            # One package can be in many places of an image.
            packages[digest][_package(rows[number], position, from_base=from_base)] = None
    distros = {each.digest: each.distro for each in sets}
    return [
        HoldingImage(row=row, distro=distros[row.digest], packages=tuple(packages[row.digest]))
        for row in image_rows(connection, ids)
    ]


def _members(connection: Connection, sets: Sequence[int], asked: Sequence[Packages | Sequence[int]]) -> defaultdict[int, list[int]]:
    """The packages that were asked for, set by set, of which images share most: all that hold one are more than a page shows."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    for part in parts(sets):
        for packages in asked:
            held = (
                select(set_package.c.set_id, set_package.c.package_id)
                .where(set_package.c.set_id.in_(part), set_package.c.package_id.in_(packages))
                .order_by(set_package.c.set_id, set_package.c.position)
            )
            for set_id, package_id in connection.execute(held):
                members[set_id].append(package_id)
    return members


def _rows(connection: Connection, ids: Sequence[int]) -> dict[int, Row[Any]]:
    return {row.id: row for part in parts(ids) for row in connection.execute(select(package).where(package.c.id.in_(part)))}


def _package(row: Row[Any], position: int, *, from_base: bool) -> HeldPackage:
    return HeldPackage(
        id=row.id,
        type=row.ecosystem,
        name=row.name,
        version=row.version,
        source=row.source,
        purl=row.purl,
        layer=position,
        from_base=from_base,
    )


def _only(found: HoldingImage, meant: Collection[tuple[int, str]]) -> HoldingImage:
    """What another distribution's images hold was asked for together with what those of this one do."""
    return replace(found, packages=tuple(each for each in found.packages if (each.id, found.distro) in meant))


def _holders(connection: Connection, ids: Sequence[int]) -> Sequence[Holder]:
    places = (verdict.c.registry, verdict.c.repository, verdict.c.digest, verdict.c.environment)
    found: defaultdict[tuple[str, ...], set[Digest]] = defaultdict(set)
    for part in parts(ids):
        rows = connection.execute(
            select(*places, verdict.c.index_digest).distinct().where(verdict.c.image_id.in_(part), verdict.c.stands)
        )
        for *place, index in rows:
            found[tuple(place)].update([Digest(index)] if index else [])
    gone = _gone(connection, {index for indexes in found.values() for index in indexes})
    return [_holder(place, [index for index in indexes if (*place[:2], index) not in gone]) for place, indexes in found.items()]


def _gone(connection: Connection, digests: Collection[Digest]) -> set[tuple[str, ...]]:
    """(registry, repository, digest) of those that were judged and of which nothing stands."""
    stands: dict[tuple[str, ...], bool] = {}
    for part in parts(sorted(digests)):
        ids = select(image.c.id).where(image.c.digest.in_(part))
        said = select(verdict.c.registry, verdict.c.repository, verdict.c.digest, verdict.c.stands).distinct()
        for *place, standing in connection.execute(said.where(verdict.c.image_id.in_(ids))):
            stands[tuple(place)] = standing or stands.get(tuple(place), False)
    return {place for place, standing in stands.items() if not standing}


def _holder(place: Sequence[str], indexes: Iterable[Digest]) -> Holder:
    registry, repository, digest, environment = place
    return Holder(
        registry=Host(registry),
        repository=RepositoryName(repository),
        digest=Digest(digest),
        environment=environment or None,
        indexes=frozenset(indexes),
    )
