"""Python distributions: the metadata that installers leave beside the code.

Spec: PyPA core metadata 2.4, "Recording installed projects" (dist-info), setuptools egg-info; names are compared as in PEP 503.
"""

import re

from watcher.inspection.catalogers.licence_texts import licences_of
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# The description follows the fields in the same file; the longest seen is a changelog of 1.5 MB.
MAX_BYTES = 8 * 1024 * 1024

# Core metadata's fields come before the description; anything further is not read.
MAX_FIELDS_BYTES = 256 * 1024

_FIELDS = frozenset(
    {b"name", b"version", b"license-expression", b"license", b"maintainer", b"maintainer-email", b"author", b"author-email"}
)
_LICENCE_CLASSIFIER = b"License :: "

# What installers call the directory or file: its name and version. PyPA "Recording installed projects", "The .dist-info directory".
_WRITTEN = re.compile(
    r"(?:^|/)([A-Za-z0-9][\w.]*)-([0-9][\w.+!]*)(?:-py[0-9.]+)?\.(?:dist|egg)-info(?:/|$)", re.ASCII | re.IGNORECASE
)

# As many licence classifiers as anyone could mean.
MAX_CLASSIFIERS = 16

# `License` was often the whole text of the licence; a name of one is shorter than a line.
MAX_LICENCE = 120
# As much of such a text as says which it is.
MAX_LICENCE_TEXT = 6 * 1024


class PythonCataloger:
    """`*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `EGG-INFO/PKG-INFO`, and distutils' `*.egg-info` files."""

    type = "pypi"
    version = 4
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"METADATA", b"PKG-INFO"}), directories=frozenset({b"site-packages", b"dist-packages"}))

    def wants(self, path: str, size: int) -> bool:
        if size > MAX_BYTES:
            return False
        directory, _, name = path.rpartition("/")
        directory = directory.lower()  # as Python looks for these directories
        if name == "METADATA":
            return directory.endswith(".dist-info")
        if name == "PKG-INFO":
            return directory.endswith("egg-info")
        return name.lower().endswith(".egg-info")

    def read(self, path: str, content: bytes) -> Facts:
        fields, classifiers = _fields(content)
        name, version = bounded(fields.get(b"name", b"")), bounded(fields.get(b"version", b""))
        written = _WRITTEN.search(path)
        if not name and not version and not written and not path.endswith(("METADATA", "PKG-INFO")):
            return ()  # a file that happens to be called so
        if (not name or not version) and written:
            name, version = name or written[1], version or written[2]
        if not name or not version:
            raise DamagedDatabaseError(f"{path}: no name and version")
        normalised = re.sub(r"[-_.]+", "-", name).lower()
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            source=normalised,
            source_version=version,
            licenses=_licences(fields, classifiers),
            maintainer=_first(fields, b"maintainer", b"maintainer-email", b"author", b"author-email"),
            purl=package_url(self.type, normalised, version),
        )
        return (PackageDatabase(path=path, type=self.type, packages=(record,)),)


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
