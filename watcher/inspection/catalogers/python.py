"""Python distributions: the metadata that installers leave beside the code.

Spec: PyPA core metadata 2.4, "Recording installed projects" (dist-info), setuptools egg-info; names are compared as in PEP 503.
"""

import re

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.python_metadata import PYPI, metadata_of
from watcher.model.inventory import PackageDatabase

# The description follows the fields in the same file; the longest seen is a changelog of 1.5 MB.
MAX_BYTES = 8 * 1024 * 1024

# What installers call the directory or file: its name and version. PyPA "Recording installed projects", "The .dist-info directory".
_WRITTEN = re.compile(
    r"(?:^|/)([A-Za-z0-9][\w.]*)-([0-9][\w.+!]*)(?:-py[0-9.]+)?\.(?:dist|egg)-info(?:/|$)", re.ASCII | re.IGNORECASE
)


class PythonCataloger:
    """`*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `EGG-INFO/PKG-INFO`, and distutils' `*.egg-info` files."""

    type = PYPI
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
        metadata, written = metadata_of(content), _WRITTEN.search(path)
        if not metadata.name and not metadata.version and not written and not path.endswith(("METADATA", "PKG-INFO")):
            return ()  # a file that happens to be called so
        record = metadata.record(*(written.groups() if written else ("", "")))
        if record is None:
            raise DamagedDatabaseError(f"{path}: no name and version")
        return (PackageDatabase(path=path, type=self.type, packages=(record,)),)
