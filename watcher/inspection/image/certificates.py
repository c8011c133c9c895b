"""The certificates and keys of an image. Pure.

What a distribution trusts is a hundred and fifty of them, as single files and in one: such a store is listed as one.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice

from watcher.model.certificates import Certificate, CertificateFile, CertificateRecord, Key

# More of them than anyone looks through.
MAX_CERTIFICATES = 10_000

# From so many roots on in one file, or in one directory by one layer, they are a trust store.
MANY = 16

_Place = tuple[str, int]
"""A file or a directory, and the layer that brought it or what is in it."""


def certificates_of(files: Mapping[str, tuple[int, CertificateFile]], base_layers: int) -> tuple[Certificate, ...]:
    """By path and position; `files` have the layer that brought each. At most MAX_CERTIFICATES, trust stores first."""
    roots: defaultdict[_Place, list[CertificateRecord]] = defaultdict(list)
    for path, (layer, file) in files.items():
        roots[_place(path, layer, file)] += _roots(file)
    found = [
        Certificate(record=_all_of(those), path=path, layer=layer, from_base=layer < base_layers, roots=len(those))
        for (path, layer), those in roots.items()
        if len(those) >= MANY
    ]
    stores = {(each.path, each.layer) for each in found}
    for path, (layer, file) in files.items():
        in_store = _place(path, layer, file) in stores
        found += (
            Certificate(record=record, path=path, layer=layer, from_base=layer < base_layers)
            for record in file.certificates
            if not (in_store and _is_root(record))
        )
    found.sort(key=lambda each: (not each.roots, each.path, each.record.position))
    return tuple(found[:MAX_CERTIFICATES])


def _is_root(record: CertificateRecord) -> bool:
    return record.ca and record.self_signed


def _roots(file: CertificateFile) -> Iterator[CertificateRecord]:
    return filter(_is_root, file.certificates)


def _place(path: str, layer: int, file: CertificateFile) -> _Place:
    """The file where it has many roots by itself, else the directory it is in."""
    return (path if sum(1 for _ in _roots(file)) >= MANY else path.rpartition("/")[0]), layer


def _all_of(roots: list[CertificateRecord]) -> CertificateRecord:
    return CertificateRecord(
        not_before=min(filter(None, (each.not_before for each in roots)), default=""),
        not_after=min(filter(None, (each.not_after for each in roots)), default=""),
        self_signed=True,
        ca=True,
    )


def keys_of(files: Mapping[str, tuple[int, CertificateFile]], base_layers: int) -> tuple[Key, ...]:
    """As `certificates_of`, of their keys; at most MAX_CERTIFICATES."""
    found = (
        Key(record=record, path=path, layer=layer, from_base=layer < base_layers)
        for path, (layer, file) in sorted(files.items())
        for record in file.keys
    )
    return tuple(islice(found, MAX_CERTIFICATES))
