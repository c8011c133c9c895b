"""Text made of `Key: value` lines, as dpkg and apk write it, and the packages it lists."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from watcher.inspection.catalogers.protocol import DatabaseTooLargeError, PartlyReadError
from watcher.model.inventory import PackageDatabase, PackageRecord

# Longer than any real name, version, licence expression or maintainer; a record must not carry a text of megabytes.
MAX_TEXT = 256

# A distribution of 60 000 packages has nobody who installs them all; 50 000 records fill some 50 MB.
MAX_PACKAGES = 50_000


def bounded(text: bytes) -> str:
    """A value as text: decoded, stripped, cut at MAX_TEXT characters, without control characters."""
    decoded = text[: 4 * MAX_TEXT].decode("utf-8", "backslashreplace").strip()[:MAX_TEXT]
    return decoded if decoded.isprintable() else "".join(each if each.isprintable() else " " for each in decoded)


def bounded_text(value: object) -> str:
    """As `bounded`, of what JSON or another format has in a text's place; empty for what is no text."""
    return bounded(value.encode("utf-8", "replace")) if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something of a database that could not be read, and what."""

    what: str


@dataclass(slots=True)
class Stanza:
    """The wanted fields of a run of lines. Of one that it has with several values the first is kept."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    repeated: set[bytes] = field(default_factory=set)

    def add(self, key: bytes, value: bytes) -> None:
        if self.fields.setdefault(key, value) != value:
            self.repeated.add(key)

    def text(self, key: bytes) -> str:
        return bounded(self.fields.get(key, b""))

    def doubts(self, name: bytes, version: bytes, *others: bytes) -> Iterator[Unread]:
        """Why it is no package, or why it may be another than its first values say."""
        called = repr(self.text(name)) if self.text(name) else "one without a name"
        if not self.text(name) or not self.text(version):
            yield Unread(f"no name and version of {called}")
        elif self.repeated.intersection((name, version, *others)):
            yield Unread(f"more than one name, version or status of {called}")


def complete(path: str, kind: str, records: Iterable[PackageRecord | Unread], *, system: bool) -> tuple[PackageDatabase]:
    """One database of these records.

    Raises:
        DatabaseTooLargeError: more than MAX_PACKAGES of them.
        PartlyReadError: some could not be read.
    """
    packages: list[PackageRecord] = []
    unread: list[Unread] = []
    for record in records:
        if isinstance(record, PackageRecord):
            packages.append(record)
        else:
            unread.append(record)
        if len(packages) + len(unread) > MAX_PACKAGES:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_PACKAGES} packages")
    facts = (PackageDatabase(path=path, type=kind, packages=tuple(packages), system=system),)
    if unread:
        more = f" (and {len(unread) - 1} more like it)" if len(unread) > 1 else ""
        raise PartlyReadError(f"{path}: {unread[0].what}{more}", facts)
    return facts
