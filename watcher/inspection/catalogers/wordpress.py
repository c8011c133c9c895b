"""Plugins of WordPress, by the comment that the main file of each begins with.

Spec: WordPress Plugin Handbook, "Header Requirements"; get_file_data() and get_plugins() in its code
"""

import re
from dataclasses import dataclass, field

from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# Only the start of a file is looked at, so that only time bounds it.
MAX_BYTES = 1024 * 1024 * 1024
# As much as WordPress itself looks at.
START_BYTES = 8 * 1024

# A file of a plugin's own directory, or a plugin that is one file.
_PLACE = re.compile(r"(?:^|/)wp-content/(?:mu-)?plugins/(?:([^/]+)/)?([^/]+)\.php$")

_FIELD = re.compile(rb"^[ \t]*(?:<\?php)?[ \t/*#@]*(Plugin Name|Version|License|Author):([^\r\n]*)", re.MULTILINE | re.IGNORECASE)
_END = re.compile(rb"\s*(?:\*/|\?>).*")


class WordpressCataloger:
    """`*.php` in `wp-content/plugins` and in each directory there."""

    type = "wordpress-plugin"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".php"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _PLACE.search(path) is not None

    def begin(self, path: str, size: int) -> "WordpressReading":  # noqa: ARG002 - only its start is read
        return WordpressReading(path=path)


@dataclass(slots=True, kw_only=True)
class WordpressReading:
    """One file as it comes by, of which the start is kept."""

    path: str
    _start: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        if len(self._start) < START_BYTES:
            self._start += piece[: START_BYTES - len(self._start)]

    def facts(self) -> Facts:
        fields: dict[bytes, str] = {}
        for found in _FIELD.finditer(self._start):
            fields.setdefault(found[1].lower(), bounded(_END.sub(b"", found[2].strip())))
        name, version = fields.get(b"plugin name", ""), fields.get(b"version", "")
        place = _PLACE.search(self.path)
        if not name or not version or not place:
            return ()  # another file of the plugin
        # What advisories call it: its directory, or its file where it is one.
        called = bounded((place[1] or place[2]).encode())
        record = PackageRecord(
            type=WordpressCataloger.type,
            name=name,
            version=version,
            source=called,
            source_version=version,
            licenses=tuple(filter(None, [fields.get(b"license", "")])),
            maintainer=fields.get(b"author", ""),
            purl=package_url(WordpressCataloger.type, called or name, version),
        )
        return (PackageDatabase(path=self.path, type=WordpressCataloger.type, packages=(record,)),)
