"""What chisel cut out of Debian's packages: its manifest, lines of JSON packed with Zstandard.

Spec: chisel internal/manifest, "jsonwall"
"""

import io
from collections.abc import Callable, Iterator

import msgspec
import zstandard

from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import Unread, bounded_text
from watcher.model.inventory import PackageRecord

# It lists every file: an image with a runtime of Java has 100 KB unpacked.
MAX_PLAIN_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
MAX_LINES = 1_000_000
# What is needed to unpack it, as the packer may ask for.
_MAX_WINDOW_BYTES = 8 * 1024 * 1024


class NoManifestError(Exception):
    """It is none. The text says why."""


class _Header(msgspec.Struct):
    """`count` is how many lines there are, this one included."""

    jsonwall: str
    count: int


class _Line(msgspec.Struct):
    kind: str = ""
    name: str = ""
    version: str = ""
    arch: str = ""


_HEADERS = msgspec.json.Decoder(_Header)
_LINES = msgspec.json.Decoder(_Line)
_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


def sliced(content: bytes) -> Iterator[PackageRecord | Unread]:
    """Each package of which something was cut out, and what could not be read.

    Raises:
        NoManifestError: before the first.
    """
    plain = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(content)
    read_line = io.BufferedReader(plain).readline
    try:
        header = _HEADERS.decode(read_line(MAX_LINE_BYTES))
    except (zstandard.ZstdError, *_ERRORS) as error:
        raise NoManifestError(f"{len(content)} bytes that are no manifest of chisel") from error
    return _packages(read_line, header.count)


def _packages(read_line: Callable[[int], bytes], count: int) -> Iterator[PackageRecord | Unread]:
    seen, left = 1, MAX_PLAIN_BYTES
    try:
        while line := read_line(MAX_LINE_BYTES):
            seen, left = seen + 1, left - len(line)
            if left < 0 or seen > MAX_LINES or not line.endswith(b"\n"):
                seen = 0
                break
            if b'"package"' in line and (record := _record(line)) is not None:
                yield record
    except zstandard.ZstdError:
        seen = 0
    if seen != count:
        yield Unread(f"other than the {count} lines it should have")


def _record(line: bytes) -> PackageRecord | Unread | None:
    try:
        said = _LINES.decode(line)
    except _ERRORS:
        return Unread("a line that is no object")
    if said.kind != "package":
        return None
    name, version, architecture = (bounded_text(each) for each in (said.name, said.version, said.arch))
    if not name or not version:
        return Unread("a package without a name or a version")
    return PackageRecord(
        type="deb",
        name=name,
        version=version,
        architecture=architecture,
        source=name,
        source_version=version,
        purl=package_url("deb", name, version, architecture=architecture),
    )
