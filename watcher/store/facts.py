"""Facts of layers, by content."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select, update

from watcher.model.digest import Digest
from watcher.model.inventory import FileTable, LayerFacts, Problem, SecretHit
from watcher.store.statements import Transactions, insert_new, pack, pack_files, parts, unpack, unpack_files
from watcher.store.tables import layer, layer_files


@dataclass(frozen=True, slots=True)
class KeptLayer:
    """The facts of one layer as its row has them."""

    row: Any

    def facts(self) -> LayerFacts:
        """Takes a moment for a layer of many files."""
        row = self.row
        return replace(
            unpack(row.facts, LayerFacts),
            makers=tuple(row.makers.split()),
            files=unpack_files(row.blob),
            secrets=unpack(row.secrets, tuple[SecretHit, ...]),
            problems=unpack(row.sections, tuple[Problem, ...]),
        )


def kept_layers(connection: Connection, digests: Collection[Digest]) -> dict[Digest, KeptLayer]:
    """Those of the layers whose facts are kept."""
    columns = (layer.c.digest, layer.c.makers, layer.c.facts, layer.c.secrets, layer.c.sections, layer_files.c.blob)
    statement = select(*columns).join(layer_files, layer_files.c.layer_id == layer.c.id)
    return {
        Digest(row.digest): KeptLayer(row)
        for part in parts(list(digests))
        for row in connection.execute(statement.where(layer.c.digest.in_(part)))
    }


class LayerStore:
    """`LayerCache` of watcher/inspection/protocol.py."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def layer(self, digest: Digest) -> LayerFacts | None:
        """The facts kept of this layer, whoever their makers were, else None."""

        def read(connection: Connection) -> LayerFacts | None:
            kept = kept_layers(connection, [digest]).get(digest)
            return None if kept is None else kept.facts()

        return await self._database.read(read)

    async def keep_layer(self, facts: LayerFacts) -> None:
        """After this returns `layer(facts.digest)` gives an equal value, in place of what other makers said."""
        # A list of a million files takes a second to pack: neither on the loop nor in the one writer thread.
        row, files = await asyncio.to_thread(_packed, facts)

        def write(connection: Connection) -> None:
            insert_new(connection, layer, [row])
            known = connection.execute(select(layer.c.id, layer.c.makers).where(layer.c.digest == facts.digest)).one()
            insert_new(connection, layer_files, [{"layer_id": known.id, **files}])
            if known.makers != row["makers"]:
                connection.execute(update(layer).where(layer.c.id == known.id).values(row))
                connection.execute(update(layer_files).where(layer_files.c.layer_id == known.id).values(files))

        await self._database.write(write)


def _packed(facts: LayerFacts) -> tuple[dict[str, object], dict[str, object]]:
    row: dict[str, object] = {
        "digest": facts.digest,
        "makers": " ".join(facts.makers),
        "facts": pack(replace(facts, makers=(), files=FileTable(), secrets=(), problems=())),
        "secrets": pack(facts.secrets),
        "sections": pack(facts.problems),
    }
    return row, {"blob": pack_files(facts.files)}
