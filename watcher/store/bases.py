"""The images seen before that others may be built on."""

from collections.abc import Sequence

from sqlalchemy import func, select

from watcher.model.digest import Digest
from watcher.model.reference import Host, Reference, RepositoryName, Tag
from watcher.store.chain import chain_ids
from watcher.store.statements import Transactions
from watcher.store.tables import image, reference

# A base is recognised by where it was first seen. More places than this for one chain of layers do not make it better known,
# and the oldest come first, so that copies pushed later cannot crowd out the place the base came from.
PLACES_PER_BASE = 32
# Of an image that was not seen yet.
LATER_THAN_ALL = 2**62


class StoredBases:
    """`KnownBases` of watcher/inspection/protocol.py: every image that was recorded with its layers."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def bases(
        self, layers: Sequence[Digest], of_image: Digest | None = None, *, even_later: bool = False
    ) -> Sequence[tuple[int, Reference]]:
        """See `KnownBases.bases`."""
        chains = chain_ids(layers)
        lengths = {chain_id: length for length, chain_id in enumerate(chains if of_image else chains[:-1], start=1)}
        if not lengths:
            return ()
        rank = func.row_number().over(partition_by=image.c.chain_id, order_by=reference.c.id).label("rank")
        ranked = (
            select(
                image.c.chain_id,
                image.c.digest,
                reference.c.id,
                reference.c.registry,
                reference.c.repository,
                reference.c.tag,
                rank,
            )
            .join(reference, reference.c.image_id == image.c.id)
            .where(image.c.chain_id.in_(list(lengths)))
        )
        if of_image is not None:
            own = select(func.min(reference.c.id)).join(image, image.c.id == reference.c.image_id)
            first_seen = func.coalesce(own.where(image.c.digest == of_image).scalar_subquery(), LATER_THAN_ALL)
            ranked = ranked.where(image.c.digest != of_image)
            if not even_later:
                ranked = ranked.where((image.c.chain_id != chains[-1]) | (reference.c.id < first_seen))
        found_rows = ranked.subquery()
        statement = select(found_rows).where(found_rows.c.rank <= PLACES_PER_BASE).order_by(found_rows.c.id)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        found = [
            (
                lengths[row.chain_id],
                Reference(
                    registry=Host(row.registry),
                    repository=RepositoryName(row.repository),
                    tag=Tag(row.tag) if row.tag else None,
                    digest=Digest(row.digest),
                ),
            )
            for row in rows
        ]
        return sorted(found, key=lambda base: -base[0])
