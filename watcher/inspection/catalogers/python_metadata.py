"""What the metadata of a Python distribution say of it, wherever they are. Pure.

Spec: PyPA core metadata 2.4; names are compared as in PEP 503.
"""

import re
from dataclasses import dataclass

from watcher.inspection.catalogers.licence_texts import licences_of
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageRecord

PYPI = "pypi"

# Core metadata's fields come before the description; anything further is not read.
MAX_FIELDS_BYTES = 256 * 1024

_FIELDS = frozenset(
    {b"name", b"version", b"license-expression", b"license", b"maintainer", b"maintainer-email", b"author", b"author-email"}
)
_LICENCE_CLASSIFIER = b"License :: "

# As many licence classifiers as anyone could mean.
MAX_CLASSIFIERS = 16

# `License` was often the whole text of the licence; a name of one is shorter than a line.
MAX_LICENCE = 120
# As much of such a text as says which it is.
MAX_LICENCE_TEXT = 6 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is wanted of them; empty where they do not say it."""

    name: str
    version: str
    licenses: tuple[str, ...]
    maintainer: str

    def record(self, name: str, version: str) -> PackageRecord | None:
        """The package, with what its file or directory is called by where they do not say it; None if that is nothing either."""
        name, version = self.name or name, self.version or version
        if not name or not version:
            return None
        normalised = re.sub(r"[-_.]+", "-", name).lower()
        return PackageRecord(
            type=PYPI,
            name=name,
            version=version,
            source=normalised,
            source_version=version,
            licenses=self.licenses,
            maintainer=self.maintainer,
            purl=package_url(PYPI, normalised, version),
        )


def metadata_of(content: bytes) -> Metadata:
    """Of the first MAX_FIELDS_BYTES."""
    fields, classifiers = _fields(content)
    return Metadata(
        name=bounded(fields.get(b"name", b"")),
        version=bounded(fields.get(b"version", b"")),
        licenses=_licences(fields, classifiers),
        maintainer=_first(fields, b"maintainer", b"maintainer-email", b"author", b"author-email"),
    )


def _fields(content: bytes) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Wanted fields by lower-case name, the first of each, and the licence classifiers. The first blank line ends them."""
    fields: dict[bytes, bytes] = {}
    classifiers: list[bytes] = []
    name = b""
    for line in content[:MAX_FIELDS_BYTES].splitlines():
        if not line:
            break
        if line[:1].isspace():
            if fields.get(name) == b"":
                fields[name] = line.strip()  # a value that begins on its second line
            elif name == b"license" and name in fields and len(fields[name]) < MAX_LICENCE_TEXT:
                fields[name] += b"\n" + line.strip()
            continue
        name, found, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if not found:
            continue
        if name == b"classifier":
            if value.startswith(_LICENCE_CLASSIFIER) and len(classifiers) < MAX_CLASSIFIERS:
                classifiers.append(value)
        elif name in _FIELDS and name not in fields:
            fields[name] = value
        else:
            name = b""  # what is not kept is not gone on with
    return fields, classifiers


def _licences(fields: dict[bytes, bytes], classifiers: list[bytes]) -> tuple[str, ...]:
    """The expression where there is one (it is then the only truth), else the free text when it is a name or one whose words are
    known, else classifiers.
    """
    if expression := bounded(fields.get(b"license-expression", b"")):
        return (expression,)
    free, is_text, rest = fields.get(b"license", b"").partition(b"\n")
    if is_text and (known := licences_of(free + is_text + rest)):
        return known
    is_name = bool(free) and free.upper() != b"UNKNOWN" and len(free) <= MAX_LICENCE
    if is_name and not is_text:
        return (bounded(free),)
    # "License :: OSI Approved" alone is the heading of the list, not a licence.
    names = (bounded(each.rpartition(b" :: ")[2]) for each in classifiers)
    found = tuple(dict.fromkeys(name for name in names if name and name != "OSI Approved"))
    return found or ((bounded(free),) if is_name else ())


def _first(fields: dict[bytes, bytes], *names: bytes) -> str:
    return next((text for name in names if (text := bounded(fields.get(name, b"")))), "")
