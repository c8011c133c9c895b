"""The licences of packages of Python and npm that have their text beside what says which package it is.

Spec: PyPA core metadata 2.4 "License-File", PEP 639 (`licenses/` in a dist-info); npm package.json(5), "SEE LICENSE IN".
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from watcher.inspection.catalogers.licence_texts import licences_of
from watcher.inspection.catalogers.protocol import Facts, Selection
from watcher.model.inventory import Note

# A licence says at its beginning which one it is; that of CPython, which tells its history first, within 4 KiB.
HEAD_BYTES = 6 * 1024

# Longer than any: the texts of all that a browser is made of have some 15 MB.
MAX_BYTES = 64 * 1024 * 1024

_SPELLINGS = ("LICENSE", "License", "license", "LICENCE", "Licence", "licence", "COPYING", "copying", "UNLICENSE")
_ENDINGS = ("", ".txt", ".md", ".rst", ".TXT")
_OF_SEVERAL = ("MIT", "APACHE", "APACHE2", "APACHE-2.0", "BSD", "PSF")
_NAMES = frozenset(
    name.encode()
    for ending in _ENDINGS
    for name in (
        *(f"{spelling}{ending}" for spelling in _SPELLINGS),
        *(f"LICENSE{between}{each}{ending}" for each in _OF_SEVERAL for between in "-."),
        f"MIT-LICENSE{ending}",
        f"COPYING.LESSER{ending}",
    )
)

# Further down in `licenses` are those of what a distribution has copies of, which are beside the copies as well.
_PLACE = re.compile(
    r"(?:^|/)(?:node_modules/(?:@[^/]+/)?[^/@.][^/]*|[^/]+\.dist-info(?:/licenses)?|[^/]+\.egg-info|EGG-INFO|_vendor/[^/.]+)\Z",
    re.IGNORECASE,
)
_LICENCES = re.compile(r"/licenses\Z", re.IGNORECASE)

# Of the texts in a node_modules more than half are one that was seen before; these are 1.5 MiB at most.
_licences_of = lru_cache(maxsize=256)(licences_of)


class LicenceCataloger:
    """Says which licences the text beside the metadata of a package has the words of; of one that nobody knows it says nothing."""

    type = "licence"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(names=_NAMES)

    def wants(self, path: str, size: int) -> bool:
        directory, _, name = path.rpartition("/")
        return size <= MAX_BYTES and name.encode() in _NAMES and _PLACE.search(directory) is not None

    def begin(self, path: str, size: int) -> "_LicenceText":  # noqa: ARG002  only its beginning is read
        return _LicenceText(path)


@dataclass(slots=True)
class _LicenceText:
    path: str
    _head: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> None:
        if (missing := HEAD_BYTES - len(self._head)) > 0:
            self._head += piece[:missing]

    def facts(self) -> Facts:
        licenses = _licences_of(bytes(self._head))
        return (Note(path=self.path, type=LicenceCataloger.type, licenses=licenses),) if licenses else ()


def described_directory(path: str) -> str:
    """Where the metadata are of the package that the text at `path` is beside."""
    return _LICENCES.sub("", path.rpartition("/")[0])
