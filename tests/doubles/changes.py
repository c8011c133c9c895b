"""Data that change when a test says so."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from tests.doubles.verdicts import MOMENT

Name = tuple[str, str, str]


@dataclass
class WrittenChanges:
    """`steps` are what became another with each revision, in order; None is anything."""

    steps: list[Collection[Name] | None] = field(default_factory=list)

    async def revision(self) -> str:
        return str(len(self.steps)) if self.steps else ""

    async def oldest(self) -> datetime | None:
        return MOMENT if self.steps else None

    async def changed_since(self, revision: str) -> Collection[Name] | None:
        if not revision.isdigit() or int(revision) > len(self.steps):
            return None
        since = self.steps[int(revision) :]
        return None if None in since else {name for step in since for name in step or ()}
