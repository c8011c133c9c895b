"""Layers that are documents: what attestations, signatures and SBOMs carry beside an image configuration.

Whether a layer is one is seen by its bytes, never by its media type. What is text from end to end and no archive can be unpacked
by no runtime. Nothing is interpreted.
"""

import codecs
import os

from watcher.kit.threads import in_a_thread
from watcher.model.errors import PermanentError
from watcher.model.image import Descriptor
from watcher.registry.protocol import ImageSource

READ_BYTES = 256 * 1024
_BLOCK = 512
_CHECKSUM = slice(148, 156)


async def is_document(source: ImageSource, layer: Descriptor, *, timeout_seconds: float) -> bool:
    """Whether the layer is UTF-8 text that no reader takes for an archive. Costs memory for one read, whatever its size.

    Raises:
        RetryableError, PermanentError: as `ImageSource.pour`, unless it was seen before that it is none.
    """
    bytes_out, bytes_in = os.pipe()
    # A thread of its own: those of the loop are few, and a registry may take its time.
    reading = in_a_thread(lambda: _is_text(bytes_out), name=f"document {layer.digest}")
    refusal: PermanentError | None = None
    try:
        await source.pour(layer, bytes_in, timeout_seconds=timeout_seconds)
    except PermanentError as error:
        refusal = error
    finally:
        os.close(bytes_in)
        is_text = await reading
    if refusal is not None and is_text:
        raise refusal
    return is_text


def _is_text(descriptor: int) -> bool:
    """Reads to the end or to the first byte that is none of a text, and closes the pipe."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    start = b""
    with open(descriptor, "rb", buffering=0) as pipe:
        while piece := pipe.read(READ_BYTES):
            if len(start) < _BLOCK:
                start += piece[:_BLOCK]
                if looks_packed(start):
                    return False
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                return False
            if b"\0" in piece:
                return False
    return not decoder.getstate()[0]


def looks_packed(start: bytes) -> bool:
    """Whether an unpacker would go on after these bytes. Only bzip2 begins like a text, and a tar header can be made of letters.

    Spec: POSIX.1-2017 pax "ustar Interchange Format", `chksum`.
    """
    if start.startswith(b"BZh"):
        return True
    header = start[:_BLOCK]
    if len(header) < _BLOCK:
        return False
    said = header[_CHECKSUM].strip(b" ").decode("latin-1")
    try:
        number = int(said, 8)
    except ValueError:
        return False
    # Every byte of a text outside ASCII is negative to some readers.
    unsigned = sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
    signed = unsigned - 256 * sum(1 for byte in header if byte > 127)
    return number in {signed, unsigned}
