"""Whether a runtime could start it, by what is in it: the types and names its author gave it say nothing."""

import time

from watcher.inspection.documents import is_document
from watcher.inspection.image.layer_formats import unread_format
from watcher.model.errors import CannotRunError
from watcher.model.image import IMAGE_CONFIG_TYPES, MAX_CONFIG_BYTES, Manifest
from watcher.model.image_json import describes_image
from watcher.registry.protocol import ImageSource


async def image_config(source: ImageSource, manifest: Manifest) -> bytes:
    """The bytes of an image's configuration, which is one by its type or by its content.

    Raises:
        CannotRunError: it is none. RetryableError, PermanentError: as `ImageSource.blob`.
    """
    raw = await source.blob(manifest.config, limit_bytes=MAX_CONFIG_BYTES)
    if manifest.config.media_type not in IMAGE_CONFIG_TYPES and not describes_image(raw):
        raise CannotRunError(f"cannot run: {manifest.kind:.100}")
    return raw


async def unread_layers(source: ImageSource, manifest: Manifest, *, timeout_seconds: float) -> frozenset[int]:
    """Places of layers that are no archives, so that no worker reads them: never one that is called a layer of a file system.

    `timeout_seconds` is for all of them.

    Raises:
        CannotRunError: all layers are documents. RetryableError, PermanentError: as `ImageSource.pour`.
    """
    others, documents = set[int](), set[int]()
    ends = time.monotonic() + timeout_seconds
    for index, layer in enumerate(manifest.layers):
        if unread_format(layer):
            others.add(index)
        elif not layer.is_rootfs_layer and await is_document(source, layer, timeout_seconds=max(ends - time.monotonic(), 0.0)):
            documents.add(index)
    if manifest.layers and len(documents) == len(manifest.layers):
        raise CannotRunError(f"cannot run: {manifest.artifact_type or manifest.layers[0].media_type:.100}")
    return frozenset(others | documents)
