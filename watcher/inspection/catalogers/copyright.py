"""The licences of Debian packages: /usr/share/doc/NAME/copyright, machine-readable or not.

Spec: Debian "Machine-readable debian/copyright file" 1.0, Debian Policy 12.5 "Copyright information".
"""

import re

from watcher.inspection.catalogers.licence_texts import licences_of
from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import Note

# The longest in Debian, of chromium and linux-firmware, have about 1 MB.
MAX_BYTES = 2 * 1024 * 1024
# More licences than that of one package are a list of them.
MAX_LICENCES = 32

_PLACE = re.compile(r"usr/share/doc/[^/]+/copyright")
_FORMAT = re.compile(rb"\A(?:[ \t]*(?:#[^\n]*)?\n)*Format(?:-Specification)?:", re.IGNORECASE)
_STATED = re.compile(rb"^License:[ \t]*(\S[^\n]*)", re.MULTILINE | re.IGNORECASE)
_COMMON = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)")
_LATER = re.compile(rb"any\s+later\s+version", re.IGNORECASE)
_PUBLIC_DOMAIN = re.compile(rb"public\s+domain", re.IGNORECASE)
# Texts that speak of it, and are names of their own.
_MORE_THAN_PUBLIC_DOMAIN = frozenset({"Unlicense", "CC0-1.0"})


class CopyrightCataloger:
    """Says which licences some file of a package is under. A text that names none it knows says nothing."""

    type = "copyright"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"copyright"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and _PLACE.fullmatch(path) is not None

    def read(self, path: str, content: bytes) -> Facts:
        found = _stated(content) if _FORMAT.match(content) else []
        licenses = tuple(dict.fromkeys(filter(None, map(bounded, found or _recognised(content)))))[:MAX_LICENCES]
        return (Note(path=path, type=self.type, licenses=licenses),) if licenses else ()


def copyright_path(package: str) -> str:
    """Where Debian has the copyright file of a package."""
    return f"usr/share/doc/{package}/copyright"


def _stated(content: bytes) -> list[bytes]:
    """The short names of a machine-readable file."""
    return [found[1] for found in _STATED.finditer(content)]


def _recognised(content: bytes) -> list[bytes]:
    """The common licences that a text refers to, and those whose own words it has."""
    later = b"+" if _LATER.search(content) else b""
    names = [found[1].rstrip(b".-") for found in _COMMON.finditer(content)]
    found = [name + later if name.startswith((b"GPL-", b"LGPL-", b"GFDL-")) else name for name in names]
    told = licences_of(content)
    if _PUBLIC_DOMAIN.search(content) and _MORE_THAN_PUBLIC_DOMAIN.isdisjoint(told):
        told = (*told, "public-domain")
    return found + [each.encode() for each in told]
