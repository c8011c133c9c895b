"""PHP packages that Composer installed: its list of them, one for each `vendor` directory.

Spec: composer src/Composer/Repository/FilesystemRepository.php; a list of packages is of Composer 1, an object of Composer 2.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES, Unread, bounded_text, complete
from watcher.model.inventory import PackageRecord

# A package takes some 3 KB: 2500 packages.
MAX_BYTES = 8 * 1024 * 1024

# Commas bound how many values there are, and so what reading them may take: a package has some 60.
MAX_COMMAS = 500_000

MAX_LICENCES = 16


class _Package(msgspec.Struct):
    """What is read of one package, of whatever shape; all the rest is passed over without being built."""

    name: Any = None
    version: Any = None
    license: Any = None
    authors: Any = None


class _Installed(msgspec.Struct):
    packages: list[msgspec.Raw]


_DECODER = msgspec.json.Decoder(_Installed | list[msgspec.Raw])
_PACKAGE_DECODER = msgspec.json.Decoder(_Package)


class ComposerCataloger:
    """`installed.json`: in a directory `composer` it must be Composer's, elsewhere it may be."""

    type = "composer"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"installed.json"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.rpartition("/")[2] == "installed.json"

    def read(self, path: str, content: bytes) -> Facts:
        is_its_place = f"/{path}".endswith("/composer/installed.json")
        if content.count(b",") > MAX_COMMAS:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_COMMAS} values")
        try:
            installed = _DECODER.decode(content.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if not is_its_place:
                return ()
            raise DamagedDatabaseError(f"{path}: no list of Composer's packages") from error
        packages = installed.packages if isinstance(installed, _Installed) else installed
        if len(packages) > MAX_PACKAGES:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_PACKAGES} packages")
        records = list(_records(packages))
        if not is_its_place:
            records = [each for each in records if isinstance(each, PackageRecord)]
        return complete(path, self.type, records, system=True) if records else ()


def _records(packages: list[msgspec.Raw]) -> Iterator[PackageRecord | Unread]:
    for package in packages:
        try:
            body = _PACKAGE_DECODER.decode(package)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            body = _Package()
        name, version = bounded_text(body.name), bounded_text(body.version)
        if not name or not version:
            yield Unread(f"no name and version of {name!r}" if name else "no name and version of a package")
            continue
        vendor, _, called = name.rpartition("/")
        yield PackageRecord(
            type=ComposerCataloger.type,
            name=name,
            version=version,
            source=name,
            source_version=version,
            licenses=_licences(body.license),
            maintainer=_first_author(body.authors),
            purl=package_url(ComposerCataloger.type, called.lower(), version, namespace=vendor.lower()),
        )


def _licences(stated: object) -> tuple[str, ...]:
    entries = stated if isinstance(stated, list) else [stated]
    return tuple(dict.fromkeys(filter(None, map(bounded_text, entries[:MAX_LICENCES]))))


def _first_author(authors: object) -> str:
    first = authors[0] if isinstance(authors, list) and authors else None
    return bounded_text(first.get("name")) if isinstance(first, dict) else ""
