"""The labels of images, without putting their files and packages together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from watcher.model.digest import Digest
from watcher.model.verdict import Outcome
from watcher.store.statements import Transactions, unpack
from watcher.store.tables import image, verdict

# As many as are followed in one index.
MOST_IMAGES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class _Config:
    labels: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inventory:
    config: _Config


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """What is read of a `StoredImage`; all else in it is passed over."""

    inventory: _Inventory


class StoredLabels:
    """`Labels` of watcher/publishing/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def labels(self, digest: Digest) -> Mapping[str, str]:
        """See `Labels.labels`. The images of an index are known by their verdicts."""
        kept = await self._database.read(lambda connection: _labels(connection, digest))
        if not kept:
            return {}
        first, *others = kept
        return {name: text for name, text in first.items() if all(other.get(name) == text for other in others)}


def _labels(connection: Connection, digest: Digest) -> Sequence[Mapping[str, str]]:
    configs = select(image.c.config).where(image.c.config.is_not(None))
    # Attestations are built by another program, and say nothing of the images.
    runnable = (verdict.c.index_digest == digest, verdict.c.outcome != Outcome.NOT_APPLICABLE.value)
    children = select(verdict.c.image_id).where(*runnable).distinct().limit(MOST_IMAGES)
    found = connection.execute(configs.where(image.c.digest == digest)).scalars().all()
    found = found or connection.execute(configs.where(image.c.id.in_(children))).scalars().all()
    return [unpack(each, _Image).inventory.config.labels for each in found]
