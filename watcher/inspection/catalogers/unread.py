"""Package databases that no cataloger reads, by whose they are.

Where they are is after the catalogers of syft, and each tool's own documentation.
"""

from collections.abc import Mapping

# Files, by whose they are. Each may lie behind links, as /var/lib/rpm does.
FILES: Mapping[str, tuple[str, ...]] = {
    "opkg": tuple(f"{root}/{folder}/status" for root in ("var/lib", "usr/lib", "opt/lib") for folder in ("opkg", "ipkg")),
    "chisel": ("var/lib/chisel/manifest.wall",),
    "nix": ("nix/var/nix/db/db.sqlite",),
    "guix": ("var/guix/db/db.sqlite",),
    "pkg": ("var/db/pkg/local.sqlite",),
}

# Directories that have something in them only where a package is installed.
DIRECTORIES: Mapping[str, tuple[str, ...]] = {
    "opkg": ("var/lib/opkg/info", "usr/lib/opkg/info", "opt/lib/opkg/info"),
    "dpkg's journal": ("var/lib/dpkg/updates",),
    "pacman": ("var/lib/pacman/local",),
    "portage": ("var/db/pkg",),
    "nix": ("nix/store",),
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

# Directories that may be anywhere, as an environment of conda, and how the name of a package's file in them ends.
ANYWHERE: Mapping[str, tuple[str, str]] = {"conda": ("conda-meta", ".json")}
