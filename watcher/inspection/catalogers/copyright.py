"""The licences of Debian packages: /usr/share/doc/NAME/copyright, machine-readable or not.

Spec: Debian "Machine-readable debian/copyright file" 1.0, Debian Policy 12.5 "Copyright information".
"""

import re

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

# What only one licence says, each in the words that no copy of it changes.
_TOLD_BY: tuple[tuple[bytes, str], ...] = (
    (b"permission is hereby granted, free of charge, to any person obtaining", "MIT"),
    (b"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee", "ISC"),
    (b"permission to use, copy, modify, and distribute this software for any purpose with or without fee", "ISC"),
    (b"this software is provided 'as-is', without any express or implied warranty", "Zlib"),
    (b"apache license, version 2.0", "Apache-2.0"),
    (b"mozilla public license version 2.0", "MPL-2.0"),
    (b"public domain", "public-domain"),
)
_BSD = b"redistribution and use in source and binary forms"
_NO_ENDORSEMENT = (b"endorse or promote products", b"endorse nor promote products")
_ADVERTISING = b"all advertising materials mentioning features"


class CopyrightCataloger:
    """Says which licences some file of a package is under. A text that names none it knows says nothing."""

    type = "copyright"
    version = 1
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
    words = b" ".join(content.lower().replace(b"``", b"'").replace(b"''", b"'").replace(b"\n *", b"\n").split())
    found += [name.encode() for told, name in _TOLD_BY if told in words]
    if _BSD in words:
        clauses = 4 if _ADVERTISING in words else 3 if any(each in words for each in _NO_ENDORSEMENT) else 2
        found.append(b"BSD-%d-Clause" % clauses)
    return found
