"""What one image may cost in all, asked before each of its layers is read."""

import time
from collections.abc import Callable, Sequence

from watcher.model.errors import TimedOutError, TooLargeError
from watcher.model.image import Descriptor


class ImageBudget:
    """Time runs from the first layer that is read, so that waiting for a free worker costs nothing."""

    def __init__(
        self,
        *,
        layers: Sequence[Descriptor],
        image_bytes: int,
        layer_bytes: int,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._compressed = sum(layer.size for layer in layers)
        self._image_bytes = image_bytes
        self._layer_bytes = layer_bytes
        self._timeout_seconds = timeout_seconds
        self._deadline: float | None = None
        self._plain = 0

    def begin(self, layer: Descriptor) -> float:
        """The seconds that are left for reading this layer.

        Raises:
            TooLargeError: it has more bytes as stored than it may have unpacked, or the image has.
            TimedOutError: nothing is left.
        """
        if layer.size > self._layer_bytes:
            raise TooLargeError(f"layer {layer.digest}: {layer.size} bytes, inspection.max_layer is {self._layer_bytes}")
        if max(self._compressed, self._plain) > self._image_bytes:
            found = max(self._compressed, self._plain)
            raise TooLargeError(f"the image has {found} bytes and more, inspection.max_image is {self._image_bytes}")
        now = self._clock()
        if self._deadline is None:
            self._deadline = now + self._timeout_seconds
        if now >= self._deadline:
            raise TimedOutError(f"layer {layer.digest}: nothing is left of the {self._timeout_seconds:.0f} s for the image")
        return self._deadline - now

    def read(self, plain_bytes: int) -> None:
        """Hear of a layer that has been read, and what it is unpacked."""
        self._plain += plain_bytes

    def overdrawn(self) -> str:
        """Why the image is beyond its budget although its layers have been read, empty when it is not.

        Layers are read at the same time, so that which of them still found the budget open is chance; what is said is not.
        """
        if self._plain <= self._image_bytes:
            return ""
        return f"the image has {self._plain} bytes unpacked, inspection.max_image is {self._image_bytes}"
