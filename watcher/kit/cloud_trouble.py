"""What may be wrong with a service of a cloud, whichever it is and whoever asks it for something."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    UNREACHABLE = auto()  # no answer, or one that says: not now
    MISSING = auto()  # there is no such thing, or none that we may know of
    DENIED = auto()  # we are known, and may not
    CREDENTIALS = auto()  # we have none, or they are not accepted (any more)
    CLOCK = auto()  # credentials may be good: what we sign with them has the wrong time
    WRONG = auto()  # what we sent will never be taken
    OTHER = auto()  # refused for a reason that somebody may do away with


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`text` is a sentence that names what was asked. The same trouble has the same text, so that it can be told once.

    `wait_seconds` is how long the service wants to be left alone, None where it says nothing.
    """

    kind: Kind
    text: str
    wait_seconds: float | None = None


Raising = Callable[[Trouble], Exception]
"""`raising(trouble)`: the error that a room has for it."""
