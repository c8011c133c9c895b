"""Text made of `Key: value` lines, as dpkg, apk and Python metadata write it."""

from collections.abc import Iterable, Iterator
from io import BytesIO

from watcher.inspection.catalogers.protocol import DatabaseTooLargeError
from watcher.model.inventory import PackageRecord

# Longer than any real name, version, licence expression or maintainer; a record must not carry a text of megabytes.
MAX_TEXT = 256

# A distribution of 60 000 packages has nobody who installs them all; 50 000 records fill some 50 MB.
MAX_PACKAGES = 50_000

_BLANK = frozenset({b"\n", b"\r\n", b""})


def bounded(text: bytes) -> str:
    """A value as text: decoded, stripped, cut at MAX_TEXT characters, without control characters."""
    decoded = text[: 4 * MAX_TEXT].decode("utf-8", "backslashreplace").strip()[:MAX_TEXT]
    return decoded if decoded.isprintable() else "".join(each if each.isprintable() else " " for each in decoded)


def stanzas(content: bytes, wanted: frozenset[bytes], separator: bytes = b": ") -> Iterator[dict[bytes, bytes]]:
    """Each run of lines between blank lines, with the first value of each wanted key. Continuation lines are passed over.

    A stanza without any wanted key is left out. Keys are compared as written: both dpkg and apk write them one way only.
    """
    fields: dict[bytes, bytes] = {}
    for line in BytesIO(content):  # a list of all lines could be ten times as large as the content
        if line in _BLANK:
            if fields:
                yield fields
                fields = {}
            continue
        key, found, value = line.partition(separator)
        if found and key in wanted and key not in fields:
            fields[key] = value
    if fields:
        yield fields


def gathered(path: str, records: Iterable[PackageRecord | None]) -> tuple[PackageRecord, ...]:
    """All records but the missing ones.

    Raises:
        DatabaseTooLargeError: more than MAX_PACKAGES of them.
    """
    packages: list[PackageRecord] = []
    for record in records:
        if record is None:
            continue
        if len(packages) == MAX_PACKAGES:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_PACKAGES} packages")
        packages.append(record)
    return tuple(packages)
