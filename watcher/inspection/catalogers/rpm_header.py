"""The header of one rpm package, as rpm's databases hold it: its name, its version and what else is told of it.

Spec: rpm "RPM v4 header"; lib/header.c for what the database leaves away (no magic), include/rpm/rpmtag.h for the numbers.
"""

import re
import struct
from collections.abc import Iterator

from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import MAX_TEXT, Unread, bounded
from watcher.model.inventory import PackageRecord

NAME, VERSION, RELEASE, EPOCH, VENDOR, LICENCE, PACKAGER, ARCHITECTURE, SOURCE, MODULE = TAGS = (
    *(1000, 1001, 1002, 1003, 1011, 1014, 1015, 1022, 1044),
    5096,
)
# Of each file the number of its directory, its name; and the directories.
_FILE_TAGS = (1116, 1117, 1118)
_INTEGER, _STRING, _TRANSLATED = 4, 6, 9

# rpm's own limit, HEADER_TAGS_MAX.
MAX_ENTRIES = 0xFFFF

# What rpm itself lists, and is no package: the keys that packages are verified with.
KEY_NAME = "gpg-pubkey"

# What rpm writes for a value that is not there.
NONE = "(none)"

_ENTRY = struct.Struct(">IIiI")
_SOURCE = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")


def record_of(blob: bytes) -> PackageRecord | Unread | None:
    """The package; None for a key."""
    entries, data = struct.unpack_from(">II", blob) if len(blob) >= 8 else (0, 0)
    begin = 8 + entries * _ENTRY.size
    if not 0 < entries <= MAX_ENTRIES or begin + data > len(blob):
        return Unread(f"a header with {entries} entries and {data} bytes of data in {len(blob)}")
    # What was added when the package was installed comes last, and takes the place of what came with it.
    places = {tag: (kind, offset) for tag, kind, offset, _ in _ENTRY.iter_unpack(blob[8:begin]) if tag in TAGS}
    values = blob[begin : begin + data]
    texts = {tag: _text(values, kind, offset) for tag, (kind, offset) in places.items()}
    return package(
        name=texts.get(NAME, ""),
        version=texts.get(VERSION, ""),
        release=texts.get(RELEASE, ""),
        epoch=texts.get(EPOCH, ""),
        architecture=texts.get(ARCHITECTURE, ""),
        source=texts.get(SOURCE, ""),
        licence=texts.get(LICENCE, ""),
        maintainer=texts.get(VENDOR, "") or texts.get(PACKAGER, ""),
        module=texts.get(MODULE, ""),
    )


def _text(data: bytes, kind: int, offset: int) -> str:
    """Empty where there is none. Numbers are written as digits."""
    if kind in (_STRING, _TRANSLATED) and offset >= 0:
        return bounded(data[offset : offset + 4 * MAX_TEXT].partition(b"\0")[0])
    if kind == _INTEGER and 0 <= offset <= len(data) - 4:
        return str(int.from_bytes(data[offset : offset + 4], "big"))
    return ""


def paths_of(blob: bytes) -> Iterator[bytes]:
    """The files of a package whose record could be read; none where its lists do not fit each other."""
    entries, data = struct.unpack_from(">II", blob)
    begin = 8 + entries * _ENTRY.size
    found: dict[int, tuple[int, int]] = {}
    for tag, _, offset, count in _ENTRY.iter_unpack(blob[8:begin]):
        if tag in _FILE_TAGS and 0 <= offset < data:
            found[tag] = begin + offset, count
    if len(found) < len(_FILE_TAGS):
        return
    (indices, files), (names, _), (directories, folders) = (found[tag] for tag in _FILE_TAGS)
    end = begin + data
    if indices + 4 * files > end or max(files, folders) > data:
        return
    basenames = blob[names:end].split(b"\0", files)[:files]
    dirnames = blob[directories:end].split(b"\0", folders)[:folders]
    for index, name in zip(struct.unpack_from(f">{files}I", blob, indices), basenames, strict=False):
        if index < len(dirnames):
            yield dirnames[index] + name


def package(
    *,
    name: str,
    version: str,
    release: str,
    epoch: str = "",
    architecture: str = "",
    source: str = "",
    licence: str = "",
    maintainer: str = "",
    module: str = "",
) -> PackageRecord | Unread | None:
    """Its record. `source` is the file name of its source package, `module` is NAME:STREAM:VERSION:CONTEXT."""
    if name == KEY_NAME:
        return None
    if not name or not version or not release:
        return Unread(f"no name, version and release of {name!r}" if name else "no name, version and release of one")
    written = _SOURCE.fullmatch(source)
    architecture, source, licence, maintainer, module = (
        "" if each == NONE else each for each in (architecture, source, licence, maintainer, module)
    )
    plain = f"{version}-{release}"[:MAX_TEXT]
    return PackageRecord(
        type="rpm",
        name=name,
        version=(f"{epoch}:{plain}" if epoch else plain)[:MAX_TEXT],
        architecture=architecture,
        source=written[1] if written else name,
        source_version=written[2] if written else plain,
        licenses=(licence,) if licence else (),
        maintainer=maintainer,
        purl=package_url(
            "rpm", name, plain, architecture=architecture, qualifiers={"epoch": epoch, "rpmmod": module, "upstream": source}
        ),
    )
