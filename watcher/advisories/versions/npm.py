"""npm: SemVer, written with blanks around it or a `=` before it by those who were careless."""

from watcher.advisories.versions import semver
from watcher.advisories.versions.protocol import Key


def key(version: str) -> Key:
    """Its place among versions of npm packages."""
    return semver.key(version.strip(" \t\r\n").removeprefix("="))
