"""Blobs on their way into the in-memory registry: in chunks, in order.

Spec: OCI distribution-spec v1.1, "Pushing a blob in chunks" (end-4a, end-5, end-6, end-13).
"""

import re
from dataclasses import dataclass, field

from watcher.testing.content import RefusedError

_CONTENT_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


@dataclass(slots=True, kw_only=True)
class Upload:
    """One session, in the repository it was begun in. No chunk but the last may have less than `minimum_bytes`."""

    name: str
    session: str
    minimum_bytes: int = 0
    received: bytearray = field(default_factory=bytearray)
    ended: bool = False  # by a chunk of less than the minimum, which can only be the last

    @property
    def headers(self) -> dict[str, str]:
        """Where it is, and the last byte that it has; `0-0` also for none, as docker-registry has it."""
        return {"Location": f"/v2/{self.name}/blobs/uploads/{self.session}", "Range": f"0-{max(len(self.received) - 1, 0)}"}

    def append(self, chunk: bytes, content_range: str) -> None:
        """Take the next chunk. Raises RefusedError and is as it was."""
        self._check(chunk, content_range)
        self.received += chunk
        self.ended = len(chunk) < self.minimum_bytes

    def whole(self, chunk: bytes, content_range: str) -> bytes:
        """The blob with its last chunk, which may be empty; the session stays as it is. Raises RefusedError."""
        self._check(chunk, content_range)
        return bytes(self.received) + chunk

    def _check(self, chunk: bytes, content_range: str) -> None:
        if chunk and self.ended:
            raise RefusedError(400, "SIZE_INVALID", f"a chunk before the last has less than {self.minimum_bytes} bytes")
        if not content_range:  # a stream: whatever comes is the next
            return
        matched = _CONTENT_RANGE.fullmatch(content_range)
        if matched is None or int(matched[1]) != len(self.received):
            raise RefusedError(416, "BLOB_UPLOAD_INVALID", "chunk is out of order", self.headers)
        if int(matched[2]) - int(matched[1]) + 1 != len(chunk):
            raise RefusedError(400, "SIZE_INVALID", "Content-Range does not match the length of the chunk")
