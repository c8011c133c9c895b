"""Packages of conda, mamba and pixi: one file each in `conda-meta` of every environment.

Spec: conda's `PrefixRecord` (conda/models/records.py), as conda-meta has it.
"""

import re

import msgspec

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded_text
from watcher.model.inventory import PackageDatabase, PackageRecord

# Each file of the package takes some 300 bytes, in two lists: 50 000 files.
MAX_BYTES = 16 * 1024 * 1024

# What a package's archive ends with; the two are different artifacts of one build.
_ARCHIVE_TYPES = (".conda", ".tar.bz2")

# Where a channel is, and who asked: `t/TOKEN` is how anaconda.org is asked for private channels: a credential.
_HIDDEN = re.compile(r"^[a-z][a-z0-9+.-]*://[^/]*|(?:^|/)t/[^/]*|\?.*$", re.IGNORECASE)


class _Record(msgspec.Struct):
    """What is read of a record; all the rest is passed over without being built."""

    name: str | None = None
    version: str | None = None
    build: str | None = None
    channel: str | None = None
    subdir: str | None = None
    license: str | None = None
    fn: str | None = None
    url: str | None = None


_DECODER = msgspec.json.Decoder(_Record)


class CondaCataloger:
    """`conda-meta/*.json`, wherever an environment is. What pip installed into one is of `pypi`."""

    type = "conda"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(directories=frozenset({b"conda-meta"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.endswith(".json") and f"/{path}".rpartition("/")[0].endswith("/conda-meta")

    def read(self, path: str, content: bytes) -> Facts:
        try:
            body = _DECODER.decode(content)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DamagedDatabaseError(f"{path}: no record of a conda package") from error
        name, version = bounded_text(body.name), bounded_text(body.version)
        if not name or not version:
            raise DamagedDatabaseError(f"{path}: no name and version")
        subdir = bounded_text(body.subdir)
        archive = (body.fn or body.url or "")[-16:]
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            source=name,
            source_version=version,
            licenses=tuple(filter(None, (bounded_text(body.license),))),
            purl=package_url(
                self.type,
                name,
                version,
                qualifiers={
                    "build": bounded_text(body.build),
                    "channel": _channel(bounded_text(body.channel), subdir),
                    "subdir": subdir,
                    "type": next((each[1:] for each in _ARCHIVE_TYPES if archive.endswith(each)), ""),
                },
            ),
        )
        return (PackageDatabase(path=path, type=self.type, packages=(record,)),)


def _channel(channel: str, subdir: str) -> str:
    """`main` of https://repo.anaconda.com/pkgs/main/linux-64, `conda-forge` as it is: never whom it was fetched as."""
    named = _HIDDEN.sub("", channel).strip("/")
    if subdir and named.endswith(f"/{subdir}"):
        named = named.removesuffix(f"/{subdir}")
    return named.removesuffix("/noarch").removeprefix("pkgs/")
