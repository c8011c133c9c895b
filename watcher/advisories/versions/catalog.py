"""Which order an ecosystem's versions have."""

from watcher.advisories.versions import apk, deb, gem, golang, maven, npm, nuget, packagist, pypi, rpm, semver
from watcher.advisories.versions.protocol import Order

# By the name of OSV's list of ecosystems, without what follows a colon.
ORDERS: dict[str, Order] = {
    "Debian": deb.key,
    "Ubuntu": deb.key,
    "AlmaLinux": rpm.key,
    "Azure Linux": rpm.key,
    "Mageia": rpm.key,
    "openEuler": rpm.key,
    "openSUSE": rpm.key,
    "Photon OS": rpm.key,
    "Red Hat": rpm.key,
    "Rocky Linux": rpm.key,
    "SUSE": rpm.key,
    "Alpaquita": apk.key,
    "Alpine": apk.key,
    "BellSoft Hardened Containers": apk.key,
    "Chainguard": apk.key,
    "MinimOS": apk.key,
    "Wolfi": apk.key,
    "crates.io": semver.key,
    "Go": golang.key,
    "Maven": maven.key,
    "npm": npm.key,
    "NuGet": nuget.key,
    "Packagist": packagist.key,
    "PyPI": pypi.key,
    "RubyGems": gem.key,
}


def order_of(ecosystem: str) -> Order | None:
    """The key of versions of `ecosystem`, as OSV names it and with or without a release: `Debian:12`; None when we know no order.

    What it returns raises VersionError for a text that is no version there.
    """
    return ORDERS.get(ecosystem.partition(":")[0])
