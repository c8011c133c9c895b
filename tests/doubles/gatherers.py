"""A gatherer whose knowledge a test writes down."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec

from watcher.model.inventory import Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import Section, Subject


def knowing(*sections: str, revision: str = "", **document: Any) -> Knowledge:
    """These sections are complete."""
    return Knowledge(
        sections={name: Section() for name in sections}, document=msgspec.json.encode(document), data_revision=revision
    )


@dataclass
class WrittenGatherer:
    """Brings `knowledge` after `seconds`, or raises what it is told to."""

    name: str
    sections: Collection[str]
    knowledge: Knowledge = field(default_factory=Knowledge)
    error: Exception | None = None
    seconds: float = 0.0
    asked: list[tuple[Subject, Inventory]] = field(default_factory=list)

    async def gather(self, subject: Subject, inventory: Inventory) -> Knowledge:
        self.asked.append((subject, inventory))
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.knowledge
