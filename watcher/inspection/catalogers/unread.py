"""Package databases that no cataloger reads, by whose they are.

Where they are is after the catalogers of syft, and each tool's own documentation.
"""

from collections.abc import Mapping

# Files, by whose they are. Each may lie behind links, as /var/lib/rpm does.
FILES: Mapping[str, tuple[str, ...]] = {
    "guix": ("var/guix/db/db.sqlite",),
    "pkg": ("var/db/pkg/local.sqlite",),
}

# Directories that have something in them only where a package is installed.
DIRECTORIES: Mapping[str, tuple[str, ...]] = {
    "dpkg's journal": ("var/lib/dpkg/updates",),
    "guix": ("gnu/store",),
    "snap": ("var/lib/snapd/snaps",),
    "flatpak": ("var/lib/flatpak/app", "var/lib/flatpak/runtime"),
    "Homebrew": ("home/linuxbrew/.linuxbrew/Cellar", "opt/homebrew/Cellar", "usr/local/Cellar"),
    "swupd": ("usr/share/clear/bundles",),
    "pkgtools": ("var/lib/pkgtools/packages", "var/log/packages"),
    "xbps": ("var/db/xbps",),
    "eopkg": ("var/lib/eopkg/package",),
    "kiss": ("var/db/kiss/installed",),
    "tce": ("usr/local/tce.installed",),
}

# Directories that are read by their own names: a link may lead from them to where nobody reads.
NAMED = ("var/lib/pacman/local", "var/db/pkg", *(f"{root}/opkg/info" for root in ("var/lib", "usr/lib", "opt/lib")))
