"""What the room asks of others."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol


class FirstSeen(Protocol):
    """Remembers when something was seen for the first time."""

    async def first_seen(self, keys: Collection[str], *, now: datetime) -> Mapping[str, datetime]:
        """When each key was first asked for, which is now for those that never were. After this returns that is on disk."""
        ...
