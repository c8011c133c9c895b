"""What the pipeline asks of rooms that it does not know."""

from collections.abc import Collection
from typing import Protocol

from watcher.model.inventory import Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import Subject


class Gatherer(Protocol):
    """Knows something of images beyond their bytes. `name` is a word; `sections` are those it answers for, and nobody else."""

    @property
    def name(self) -> str: ...

    @property
    def sections(self) -> Collection[str]: ...

    async def gather(self, subject: Subject, inventory: Inventory) -> Knowledge:
        """What is known of the image now. The same image and the same `data_revision`: the same knowledge.

        What goes wrong is raised, whatever it is: its sections are then missing, with the reason. It is cancelled when it takes too
        long. What it says of sections that are not its own is not heard.
        """
        ...
