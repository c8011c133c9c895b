"""Inventories as they were recorded. The list of files is put together again from the facts kept of the layers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from watcher.model.digest import Digest, short
from watcher.model.inventory import FileTable, Inventory, LayerFacts, LayerSummary
from watcher.model.verdict import Section, SectionState
from watcher.store.facts import KeptLayer, kept_layers
from watcher.store.packages import Records, Runs, read_packages
from watcher.store.statements import unpack
from watcher.store.tables import image

Merge = Callable[[Sequence[LayerFacts]], FileTable]
"""The files that are left when layers are put on top of each other, base first. Pure, and slow for an image of many files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """`image.config`: the inventory without packages and files. `runs` put the packages of its sets back into their order."""

    inventory: Inventory
    runs: Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the tables have of one image: everything but its files, and the facts of its layers, still packed."""

    inventory: Inventory
    layers: Mapping[Digest, KeptLayer]


def read_kept(connection: Connection, digest: Digest, records: Records) -> Kept | None:
    """None when the image was never inspected."""
    row = connection.execute(
        select(image.c.id, image.c.config).where(image.c.digest == digest, image.c.config.is_not(None))
    ).one_or_none()
    if row is None:
        return None
    stored = unpack(row.config, StoredImage)
    inventory = replace(stored.inventory, packages=tuple(read_packages(connection, row.id, stored.runs, records)))
    return Kept(inventory=inventory, layers=kept_layers(connection, {layer.digest for layer in inventory.layers}))


def restored(kept: Kept, merge: Merge) -> Inventory:
    """The whole inventory; without its files, which are then missing, unless every layer lists as many as it did.

    Part of a list would not do: a layer that is not there may have removed what others brought.
    """
    inventory = kept.inventory
    facts: list[LayerFacts] = []
    for index, layer in enumerate(inventory.layers):
        found = kept.layers.get(layer.digest)
        known = _facts(layer, found.facts() if found is not None else None)
        if known is None:
            reason = f"the files of layer {index} ({short(layer.digest)}) are not kept as they were when the image was inspected"
            missing = Section(state=SectionState.MISSING, reason=reason)
            return replace(inventory, sections={**inventory.sections, "files": missing})
        facts.append(known)
    return replace(inventory, files=merge(facts))


def _facts(layer: LayerSummary, kept: LayerFacts | None) -> LayerFacts | None:
    """The facts this layer had in the image. Those of newer makers will do: it is the same bytes' list of files."""
    if kept is not None and len(kept.files) == layer.files:
        return kept
    if layer.state != "inspected" and layer.files == 0:
        # It was not read then, whatever was read of it since; the inventory's own sections say so.
        return LayerFacts(digest=layer.digest, compressed_bytes=0, plain_bytes=0, files=FileTable())
    return None
