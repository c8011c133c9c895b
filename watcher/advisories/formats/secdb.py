"""Alpine's security database, and Wolfi's and Chainguard's, which have its shape: what each version of a source package mends.

Spec: https://gitlab.alpinelinux.org/alpine/infra/alpine-secdb; `secfixes` of the APKBUILD reference, https://wiki.alpinelinux.org
"""

from collections.abc import Iterator

import msgspec

from watcher.advisories.formats.fields import SHOWN, decoded, distinct, entry_of, is_cve, vulnerability_id
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Advisory, Affected, Interval, Malformed, Records

# Written where a version would stand: no version of the package was ever affected.
NEVER_AFFECTED = "0"
# Those without branches are told from one another by where their packages are.
_ROLLING = {"packages.wolfi.dev": "Wolfi", "packages.cgr.dev": "Chainguard"}


class _Database(msgspec.Struct, frozen=True):
    packages: list[msgspec.Raw] | None
    distroversion: str = ""
    urlprefix: str = ""
    reponame: str = ""


class _Package(msgspec.Struct, frozen=True):
    name: str
    secfixes: dict[str, list[str] | None] | None = None


class _Entry(msgspec.Struct, frozen=True):
    pkg: _Package


def read(content: bytes, *, name: str) -> Records:
    """One record per vulnerability, with every package of this repository that it is about; the ids are as OSV makes them."""
    database = decoded(content, _Database, name)
    ecosystem = _ecosystem(database)
    if not ecosystem:
        raise NotThisFormatError(f"{name}: no `distroversion`, and packages of no distribution that has none")
    # Alpine writes a vulnerability under every package and every version, so it is whole only at the end.
    affected: dict[str, list[Affected]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for index, raw in enumerate(database.packages or ()):
        listed = entry_of(raw, _Entry, f"{name} packages[{index}]")
        if isinstance(listed, Malformed):
            yield listed
            continue
        package = listed.pkg
        for ids, fixed in _fixes(package):
            if isinstance(ids, Malformed):
                yield ids
            elif fixed != NEVER_AFFECTED:
                names[ids[0]] = distinct([*names.get(ids[0], ()), *ids])
                entry = Affected(ecosystem=ecosystem, package=package.name, intervals=(Interval(fixed=fixed),))
                affected.setdefault(ids[0], []).append(entry)
    prefix = ecosystem.partition(":")[0].upper()
    for first, entries in affected.items():
        yield Advisory(id=f"{prefix}-{first}", aliases=names[first], affected=tuple(dict.fromkeys(entries)))


def repository_of(content: bytes, *, name: str) -> str:
    """What the document is everything of: `Alpine:v3.19/main`.

    Raises:
        NotThisFormatError: as `read`.
    """
    database = decoded(content, _Database, name)
    return f"{_ecosystem(database)}/{database.reponame}"


def _ecosystem(database: _Database) -> str:
    if database.distroversion:
        return f"Alpine:{database.distroversion}"
    return next((named for host, named in _ROLLING.items() if host in database.urlprefix), "")


def _fixes(package: _Package) -> Iterator[tuple[tuple[str, ...] | Malformed, str]]:
    """The names of each vulnerability, its CVE id first where it has one, and the version that mends it."""
    for fixed, lines in (package.secfixes or {}).items():
        for line in lines or ():
            # `CVE-2017-2616 (+ regression fix)` has remarks behind its names.
            names = distinct(vulnerability_id(word.strip(",;()")) for word in line.split())
            if not names:
                yield Malformed(where=f"{package.name} {fixed}"[:SHOWN], reason=f"{line[:SHOWN]!r} is no id"), fixed
            elif sum(map(is_cve, names)) > 1:
                # Several vulnerabilities on one line, and no telling whose the other names are.
                yield from (((named,), fixed.strip()) for named in names)
            else:
                yield tuple(sorted(names, key=lambda named: not is_cve(named))), fixed.strip()
