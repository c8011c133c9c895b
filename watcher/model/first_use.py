"""Types that documents are decoded into, made known once."""

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")

_known: set[object] = set()
_lock = threading.Lock()


def known(shape: type[T]) -> type[T]:
    """`shape`, of which msgspec has put together what it needs to know.

    It does so at the first use of a type, and of all types within, and two threads that come to one at the same time end the whole
    process with a segmentation fault (0.22). Whatever more than one thread may be the first to decode goes through here.
    """
    if shape not in _known:
        with _lock:
            msgspec.msgpack.Decoder(shape)
            _known.add(shape)
    return shape
