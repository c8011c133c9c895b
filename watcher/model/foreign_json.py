"""JSON of a known shape that anybody can have written: attached to an image, or the answer of a service. Pure."""

from typing import TypeVar

import msgspec

from watcher.model.first_use import known

T = TypeVar("T")


def read_shaped(raw: bytes, shape: type[T]) -> T:
    """Raises ValueError for anything else, whatever the bytes: msgspec has another error for what nests too deep."""
    try:
        return msgspec.json.decode(raw, type=known(shape))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
