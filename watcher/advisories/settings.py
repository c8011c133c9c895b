"""Where vulnerability data are kept, and where they come from."""

import re
from collections.abc import Mapping

import msgspec

from watcher.kit.units import Duration

MIRRORED = ("osv", "kev", "epss", "debian-tracker", "secdb")
_LIST = re.compile(r"kev|epss|debian-tracker|secdb:v\d{1,2}\.\d{1,3}", re.ASCII)
_ECOSYSTEM = re.compile(r"[A-Za-z][A-Za-z. -]{0,40}", re.ASCII)


class AdvisorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `advisories` block."""

    path: str = "advisories.db"  # beside the configuration; written by `watcher advisories`, and read again when it was replaced
    max_age: Duration = "72h"  # data that are older are stale: what a rule would say of them is then unknown
    # What `watcher advisories update` fetches of OSV, as OSV names it. Unless said otherwise: of what packages are read in images.
    ecosystems: tuple[str, ...] = (
        *("AlmaLinux", "Alpine", "Azure Linux", "Debian", "Go", "Maven", "PyPI", "Red Hat", "Rocky Linux", "Ubuntu", "crates.io"),
        *("npm", "openSUSE"),
    )
    # What it fetches besides: `kev` and `epss`; `debian-tracker` and, release by release, `secdb:v3.22`, which say what their
    # distributions have not mended yet before OSV does.
    lists: tuple[str, ...] = ("kev", "epss")
    # URLs to ask instead, by `osv`, `secdb` (what the paths are added to), `kev`, `epss`, `debian-tracker` (the file itself).
    mirrors: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        for ecosystem in self.ecosystems:
            if not _ECOSYSTEM.fullmatch(ecosystem):
                raise ValueError(
                    f"ecosystems: {ecosystem[:80]!r} is none of OSV's; releases are not named, Debian is all of Debian"
                )
        for name in self.lists:
            if not _LIST.fullmatch(name):
                raise ValueError(f"lists: {name[:80]!r} is none of kev, epss, debian-tracker, secdb:vN.N")
        for name, url in self.mirrors.items():
            if name not in MIRRORED:
                raise ValueError(f"mirrors: {name[:80]!r} is none of {', '.join(MIRRORED)}")
            if not url.startswith(("https://", "http://")):
                raise ValueError(f"mirrors: {name}: not an http or https URL")
