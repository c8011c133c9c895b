"""What `watcher doctor` looks at: one thing of the configuration, with all its steps."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from watcher.kit.checkup import Checkup


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """`kind` says of which part of the configuration `name` is; `about` is what else a person wants to know of it."""

    kind: str
    name: str
    about: str = ""
    look: Callable[[], Coroutine[Any, Any, Checkup]]
