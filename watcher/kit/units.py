"""Durations and sizes as people write them: `10m`, `72h`, `20GiB`."""

import re
from typing import Annotated

import msgspec

DURATION_PATTERN = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"
SIZE_PATTERN = r"^[0-9]+(B|KiB|MiB|GiB|TiB)$"

Duration = Annotated[str, msgspec.Meta(pattern=DURATION_PATTERN, description="a duration with its unit: 500ms, 30s, 10m, 24h, 7d")]
Size = Annotated[str, msgspec.Meta(pattern=SIZE_PATTERN, description="a size with its unit: 64KiB, 1MiB, 20GiB")]

# Beyond these nothing that counts time or bytes can be asked to wait or to hold: two centuries, and four exbibytes. Who writes more
# means `for ever` or `as much as there is`.
LONGEST_SECONDS = 73000 * 86400.0
LARGEST_BYTES = 2**62
_DIGITS = len(str(LARGEST_BYTES))

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def seconds(duration: str) -> float:
    """Seconds of a `Duration`, LONGEST_SECONDS at most. Raises ValueError for anything that DURATION_PATTERN does not match."""
    if re.match(DURATION_PATTERN, duration) is None:
        raise ValueError(f"{duration!r} is not a duration such as 30s or 10m")
    number = duration.rstrip("mshd")
    return min(float(number) * _SECONDS[duration[len(number) :]], LONGEST_SECONDS)


def size_bytes(size: str) -> int:
    """Bytes of a `Size`, LARGEST_BYTES at most. Raises ValueError for anything that SIZE_PATTERN does not match."""
    if re.match(SIZE_PATTERN, size) is None:
        raise ValueError(f"{size!r} is not a size such as 64KiB or 20GiB")
    number = size.rstrip("BKMGTi")
    whole = number.lstrip("0") or "0"
    return LARGEST_BYTES if len(whole) > _DIGITS else min(int(whole) * _BYTES[size[len(number) :]], LARGEST_BYTES)


def refuse_nothing(**given: str) -> None:
    """Raises ValueError for a `Duration` or `Size` of zero, by the name of its key: for what would never come to anything."""
    for name, value in given.items():
        if not (size_bytes(value) if re.match(SIZE_PATTERN, value) else seconds(value)):
            raise ValueError(f"{name}: {value} is nothing; it has to be more")
