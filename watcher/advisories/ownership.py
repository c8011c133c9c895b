"""Which packages of a language a distribution's package brought along.

What `apt install python3-yaml` puts below /usr/lib/python3 is Debian's to mend, and Debian mends it without changing upstream's
version: what upstream's advisories say of it is often not so. It is shown, with its owner.
"""

import re
from collections.abc import Mapping

from watcher.model.inventory import Inventory, Package

# Directories that only a distribution's packages write to, by the type of what is in them. pip, npm and gem have their own below
# /usr/local.
_PLACES = {
    "pypi": re.compile(r"usr/lib(?:64)?/python3(?:\.\d+)?/(?:dist|site)-packages/"),
    "npm": re.compile(r"usr/(?:share/(?:nodejs|node_modules)|lib/node_modules)/"),
    "gem": re.compile(r"usr/(?:share|lib(?:64)?)/(?:ruby/gems|gems|rubygems-integration)/"),
}
# How distributions call a package of a language.
_PREFIXES = {"pypi": ("python3-", "py3-", "python-", ""), "npm": ("node-", "nodejs-", ""), "gem": ("ruby-", "rubygem-", "")}
_SYSTEM = frozenset({"deb", "apk", "rpm"})


def owners(inventory: Inventory) -> Mapping[tuple[str, str], str]:
    """`TYPE/NAME` of the owner by (purl, path) of what is owned.

    The lists of files in an image's databases say it. Where they do not, an owner has the name that its distribution gives to such
    a package, and the same upstream version: both are needed, since a package that somebody else put in its place is not the
    distribution's.
    """
    system = {package.record.name.lower(): package for package in inventory.packages if package.record.type in _SYSTEM}
    found: dict[tuple[str, str], str] = {}
    for package in inventory.packages:
        if package.owner:
            found[package.record.purl, package.path] = package.owner
            continue
        place = _PLACES.get(package.record.type)
        if place is None or not place.match(package.path.lstrip("/")):
            continue
        owner = next(filter(None, (_owner(system, prefix, package) for prefix in _PREFIXES[package.record.type])), None)
        if owner is not None:
            found[package.record.purl, package.path] = f"{owner.record.type}/{owner.record.name}"
    return found


def _owner(system: Mapping[str, Package], prefix: str, package: Package) -> Package | None:
    name = re.sub(r"[-_.]+", "-", package.record.name.lower()).lstrip("@").replace("/", "-")
    owner = system.get(f"{prefix}{name}")
    return owner if owner is not None and _upstream(owner.record.version) == package.record.version else None


def _upstream(version: str) -> str:
    """`2.28.1` of `1:2.28.1+dfsg-1`, of `2.28.1-r0`, of `2.28.1-3.el9`."""
    version = version.partition(":")[2] or version
    return re.sub(r"[+~](?:dfsg|ds|repack).*$", "", version.rpartition("-")[0] or version)
