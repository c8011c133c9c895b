"""PHP packages and extensions that PEAR and PECL installed: one serialized file each, in the registry of PEAR.

Spec: PEAR_Registry of pear-core; package.xml 1.0 and 2.0, as arrays.
"""

from typing import Any

from watcher.inspection.catalogers.pear_serialized import NotSerializedError, unserialized
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# The list of all files and the history of changes are in it; PEAR's own has 90 KB.
MAX_BYTES = 2 * 1024 * 1024

MAX_LICENCES = 16

_WANTED = frozenset({b"name", b"package", b"channel", b"version", b"license", b"release_license", b"lead", b"maintainers"})

_CHANNEL = ".channel."
_DEFAULT_CHANNEL = "pear.php.net"


class PearCataloger:
    """`.registry/NAME.reg`, and `.registry/.channel.CHANNEL/NAME.reg` for all but PEAR's own channel."""

    type = "pear"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(directories=frozenset({b".registry"}), suffixes=frozenset({b".reg"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.endswith(".reg") and "/.registry/" in f"/{path}"

    def read(self, path: str, content: bytes) -> Facts:
        try:
            fields = unserialized(content, _WANTED)
        except NotSerializedError as error:
            raise DamagedDatabaseError(f"{path}: {error}") from error
        name = _text(fields.get(b"name")) or _text(fields.get(b"package"))
        version = _text(_within(fields.get(b"version"), b"release"))
        if not name or not version:
            raise DamagedDatabaseError(f"{path}: no name and version of a package")
        channel = _text(fields.get(b"channel")) or _channel_of(path)
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            source=name,
            source_version=version,
            licenses=_licences(fields.get(b"license") or fields.get(b"release_license")),
            maintainer=_person(fields.get(b"lead") or fields.get(b"maintainers")),
            purl=package_url(self.type, name, version, namespace=channel),
        )
        return (PackageDatabase(path=path, type=self.type, packages=(record,)),)


def _channel_of(path: str) -> str:
    directory = path.rpartition("/")[0].rpartition("/")[2]
    return bounded(directory.removeprefix(_CHANNEL).encode()) if directory.startswith(_CHANNEL) else _DEFAULT_CHANNEL


def _licences(stated: object) -> tuple[str, ...]:
    """A text, an element with attributes, or several of either."""
    entries = list(stated.values()) if isinstance(stated, dict) and 0 in stated else [stated]
    texts = (_text(_within(each, b"_content")) for each in entries[:MAX_LICENCES])
    return tuple(dict.fromkeys(filter(None, texts)))


def _person(stated: Any) -> str:
    first = stated.get(0, stated) if isinstance(stated, dict) else None
    return _text(first.get(b"name")) if isinstance(first, dict) else ""


def _within(value: Any, key: bytes) -> Any:
    return value.get(key) if isinstance(value, dict) else value


def _text(value: object) -> str:
    return bounded(value) if isinstance(value, bytes) else ""
