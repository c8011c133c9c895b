"""Packages known by a text in a program that something else lists: the distribution's database, or a Java runtime. Pure.

Which file is of which package is not known here: it is the package's program where it has its name and its version.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from watcher.inspection.catalogers.purl import DISTRIBUTOR_TYPES
from watcher.model.inventory import PackageRecord

# Those that distributors call otherwise.
_CALLED = {
    "bind": ("bind9",),
    "chrome": ("google-chrome-stable", "chromium"),
    "firefox": ("firefox-esr",),
    "go": ("golang",),
    "httpd": ("apache2",),
    "jdk": ("openjdk",),
    "jre": ("openjdk",),
    "libphp": ("php",),
    "mysql-server": ("mysql",),
    "node": ("nodejs",),
    "php-cli": ("php",),
    "php-fpm": ("php",),
    "qtbase": ("qtbase-opensource-src", "qt6-base", "qt5-qtbase", "qt6-qtbase"),
    "rust": ("rustc",),
    "xz": ("xz-utils",),
}
_OF_RUNTIMES = ("/bin/java", "/bin/jdb")
# `python3.11`, `openjdk-17`, `postgresql-15`, `libpng1.6`: what tells apart those that may be installed beside each other.
_SERIES = re.compile(r"[-.0-9]+$")
_EPOCH = re.compile(r"^[0-9]+:")


@dataclass(slots=True)
class PackagedPrograms:
    """What distributors' packages have in `records`: versions by name, without epochs. `runtimes` are directories of Java's.

    Asked about one after another, as a package of which many programs have a note is there once.
    """

    records: Iterable[PackageRecord]
    runtimes: Collection[str] = ()
    _versions: dict[str, set[str]] = field(default_factory=dict)
    _noted: set[PackageRecord] = field(default_factory=set)

    def __post_init__(self) -> None:
        for record in self.records:
            if record.type in DISTRIBUTOR_TYPES:
                for name, version in ((record.name, record.version), (record.source, record.source_version)):
                    if name:
                        self._versions.setdefault(_comparable(name), set()).add(_EPOCH.sub("", version or record.version))

    def have(self, record: PackageRecord, path: str) -> bool:
        """Whether what a text in the file `path` says is one of them, or was asked about before."""
        if record.type in DISTRIBUTOR_TYPES:
            noted = record in self._noted
            self._noted.add(record)
            return noted or _EPOCH.sub("", record.version) in self._versions.get(_comparable(record.name), ())
        if record.type != "generic":
            return False
        if path.endswith(_OF_RUNTIMES) and not self._above(path).isdisjoint(self.runtimes):
            return True
        names = (record.name, *_CALLED.get(record.name, ()))
        versions = {version for name in names for version in self._versions.get(_comparable(name), ())}
        return any(_is_of(record.version, version) for version in versions)

    @staticmethod
    def _above(path: str) -> set[str]:
        """Where a runtime may be that has the program: `jdk/bin/java`, `jdk/jre/bin/java`."""
        folders = path.split("/")[:-1]
        return {"/".join(folders[:-up]) for up in (1, 2)}


def _comparable(name: str) -> str:
    return _SERIES.sub("", name.lower()).removeprefix("lib")


def _is_of(upstream: str, version: str) -> bool:
    """Whether a distributor's version is of that one: `3.40.1-2+deb12u2` of `3.40.1`."""
    # How it was built, or who did: `17.0.15+6-Debian-1deb12u1` of 17.0.15+6-1.
    first = re.split(r"[-+~]", upstream, maxsplit=1)[0]
    rest = version.removeprefix(first)
    return rest != version and not rest[:1].isdigit() and not re.match(r"\.[0-9]", rest)
