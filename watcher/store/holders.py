"""From packages to the images that hold them: package, set, image, each step by an index."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, and_, or_, select, union

from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName
from watcher.store.images import image_rows
from watcher.store.protocol import HeldPackage, Holder, HoldingImage, PackageName, PackageQuery
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
            ids = connection.execute(page).scalars().all()
            packages = _packages(connection, ids, asked)
            return [HoldingImage(row=row, packages=packages[row.digest]) for row in image_rows(connection, ids)]

        return await self._database.read(run)

    async def holders(self, names: Collection[PackageName]) -> Sequence[Holder]:
        """See `PackageIndex.holders`."""
        by_kind: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for each in names:
            by_kind[each.type, each.distro].add(each.name)

        def run(connection: Connection) -> Sequence[Holder]:
            ids: set[int] = set()
            for (kind, distro), wanted in by_kind.items():
                # By type, since SQLite looks through a whole index for pairs of columns.
                for part in parts(sorted(wanted)):
                    held = _images(_known_by(kind, part))
                    if distro:
                        held = held.join(image, image.c.id == image_set.c.image_id).where(_is_of(distro))
                    ids.update(connection.execute(held.distinct()).scalars())
            return _holders(connection, sorted(ids))

        return await self._database.read(run)


def _asked_for(wanted: PackageQuery) -> Packages:
    if wanted.name:
        return union(*(select(package.c.id).where(column == wanted.name) for column in (package.c.name, package.c.source)))
    longer = and_(package.c.purl >= f"{wanted.purl}?", package.c.purl < f"{wanted.purl}A")  # what begins with it and ? or @
    return select(package.c.id).where(or_(package.c.purl == wanted.purl, longer))


def _known_by(kind: str, names: Sequence[str]) -> Packages:
    columns = (package.c.source, package.c.name) if kind in NAMED_AS_INSTALLED else (package.c.source,)
    return union(*(select(package.c.id).where(package.c.ecosystem == kind, column.in_(names)) for column in columns))


def _images(packages: Packages) -> Select[Any]:
    sets = select(set_package.c.set_id).where(set_package.c.package_id.in_(packages))
    return select(image_set.c.image_id).where(image_set.c.set_id.in_(sets))


def _is_of(distro: str) -> ColumnElement[bool]:
    named = [image.c.distro.startswith(f"{distro}{mark}", autoescape=True) for mark in ".:"]
    return or_(image.c.distro == distro, *named)


def _packages(connection: Connection, ids: Sequence[int], asked: Packages) -> dict[str, tuple[HeldPackage, ...]]:
    """Those of the images. Set by set, of which images share most: all that hold a package are many more than a page shows."""
    sets = connection.execute(
        select(image.c.digest, image_set.c.position, image_set.c.from_base, image_set.c.set_id)
        .join(image_set, image_set.c.image_id == image.c.id)
        .where(image.c.id.in_(ids))
        .order_by(image_set.c.image_id, image_set.c.position)
    ).all()
    members: defaultdict[int, list[int]] = defaultdict(list)
    for part in parts(sorted({each.set_id for each in sets})):
        held = select(set_package.c.set_id, set_package.c.package_id).where(
            set_package.c.set_id.in_(part), set_package.c.package_id.in_(asked)
        )
        for set_id, package_id in connection.execute(held.order_by(set_package.c.set_id, set_package.c.position)):
            members[set_id].append(package_id)
    rows = _rows(connection, sorted({number for numbers in members.values() for number in numbers}))
    found: defaultdict[str, dict[HeldPackage, None]] = defaultdict(dict)
    for digest, position, from_base, set_id in sets:
        for number in members.get(set_id, ()):
            # One package can be in many places of an image.
            found[digest][HeldPackage(**rows[number], layer=position, from_base=from_base)] = None
    return {digest: tuple(each) for digest, each in found.items()}


def _rows(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for part in parts(ids):
        for row in connection.execute(select(package).where(package.c.id.in_(part))):
            found[row.id] = {
                "type": row.ecosystem,
                "name": row.name,
                "version": row.version,
                "source": row.source,
                "purl": row.purl,
            }
    return found


def _holders(connection: Connection, ids: Sequence[int]) -> Sequence[Holder]:
    places = (verdict.c.registry, verdict.c.repository, verdict.c.digest, verdict.c.environment)
    found: defaultdict[tuple[str, ...], set[Digest]] = defaultdict(set)
    for part in parts(ids):
        rows = connection.execute(
            select(*places, verdict.c.index_digest).distinct().where(verdict.c.image_id.in_(part), verdict.c.stands)
        )
        for *place, index in rows:
            found[tuple(place)].update([Digest(index)] if index else [])
    return [_holder(place, indexes) for place, indexes in found.items()]


def _holder(place: Sequence[str], indexes: Iterable[Digest]) -> Holder:
    registry, repository, digest, environment = place
    return Holder(
        registry=Host(registry),
        repository=RepositoryName(repository),
        digest=Digest(digest),
        environment=environment or None,
        indexes=frozenset(indexes),
    )
