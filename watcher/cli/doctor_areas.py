"""What `watcher doctor` looks at: one thing of the configuration, with all its steps."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from watcher.kit.checkup import Checkup, unexpected


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """`kind` says of which part of the configuration `name` is; `about` is what else a person wants to know of it."""

    kind: str
    name: str
    about: str = ""
    look: Callable[[], Coroutine[Any, Any, Checkup]]


async def looked_at(area: Area) -> Checkup:
    """All of its steps. What is raised between them is a step that failed, and takes no other area along."""
    try:
        return await area.look()
    except Exception as error:  # noqa: BLE001  the boundary of one area
        checkup = Checkup()
        checkup.note("look", unexpected(error))
        return checkup
