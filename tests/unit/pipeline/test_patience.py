"""An answer that may be another one at the next look."""

from dataclasses import replace

import pytest

from tests.doubles.image_sources import LAYER_TYPE, MemoryImages
from watcher.model.digest import digest_of
from watcher.model.errors import DigestMismatchError, NotFoundError, TooLargeError
from watcher.model.image import Descriptor
from watcher.pipeline.patience import HeardOnceError, Patient

BYTES = b"a layer"
LAYER = Descriptor(media_type=LAYER_TYPE, digest=digest_of(BYTES), size=len(BYTES))


async def test_what_is_missing_or_other_bytes_may_be_there_next_time() -> None:
    """Of a manifest and of a blob; a limit of our own is the same at every look."""
    images = MemoryImages()
    patient = Patient(source=images)
    with pytest.raises(HeardOnceError) as heard:
        await patient.manifest(LAYER.digest)
    assert isinstance(heard.value.error, NotFoundError)
    images.blobs[LAYER.digest], images.lies[LAYER.digest] = BYTES, b"a login"
    with pytest.raises(HeardOnceError) as heard:
        await patient.blob(LAYER, limit_bytes=100)
    assert isinstance(heard.value.error, DigestMismatchError)
    assert heard.value.reason == DigestMismatchError.reason
    with pytest.raises(TooLargeError):
        await patient.blob(LAYER, limit_bytes=1)


async def test_a_layer_that_need_not_be_there_is_missed_at_once() -> None:
    """What may not be distributed is seldom found in a registry."""
    foreign = replace(LAYER, media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    with pytest.raises(NotFoundError):
        await Patient(source=MemoryImages()).pour(foreign, -1, timeout_seconds=10)
