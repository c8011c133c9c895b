"""Whether a version of a package is affected by what an advisory says of it. Pure.

Spec: OSV schema 1.7, "Evaluation".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from watcher.advisories.ecosystems import Lookup, family
from watcher.advisories.record import WILL_NOT_FIX
from watcher.advisories.tables import KeptAffected, Span
from watcher.advisories.versions.catalog import order_of
from watcher.advisories.versions.protocol import Key, Order, VersionError

# Distributions whose errata list builds for several of their releases: whoever has one of them has the fix.
_BUILDS = frozenset({"AlmaLinux", "Rocky Linux", "Red Hat", "Azure Linux", "openSUSE", "SUSE"})
# Those among them that have modules, several versions of one package beside each other in one release.
_MODULAR = frozenset({"AlmaLinux", "Rocky Linux", "Red Hat"})
_MODULE = "module"
# Keys that are remembered of one order. Bounds of one advisory are those of every image.
_REMEMBERED = 50_000


class IncomparableError(Exception):
    """The installed version is none that its ecosystem could compare: whether it is affected cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """That a package is affected. `fixed` are the versions that mend what is installed; `since` is from when on they were there.

    `subscription`: there is a fix, for paying users only.
    """

    fixed: tuple[str, ...] = ()
    since: float | None = None
    severity: str = ""
    will_not_fix: bool = False
    subscription: bool = False


class Keys(dict[str, Key | None]):
    """Keys of versions in one order, worked out once; None for what is no version."""

    def __init__(self, order: Order | None) -> None:
        super().__init__()
        self._order = order

    def __missing__(self, version: str) -> Key | None:
        try:
            key = self._order(version) if self._order is not None else None
        except VersionError:
            key = None
        if len(self) >= _REMEMBERED:
            self.clear()
        self[version] = key
        return key


@lru_cache(maxsize=64)
def keys_of(name: str) -> Keys:
    """Those of a family of ecosystems."""
    return Keys(order_of(name))


class Installed:
    """A package as it is installed, ready to be held against many advisories."""

    __slots__ = ("builds", "key", "keys", "lookup", "modular")

    def __init__(self, lookup: Lookup) -> None:
        name = family(lookup.ecosystem)
        self.lookup = lookup
        self.keys = keys_of(name)
        self.key = self.keys[lookup.version]
        self.builds = name in _BUILDS
        # None where there are no modules at all.
        self.modular = (bool(lookup.module) or _MODULE in lookup.version) if name in _MODULAR else None


def affected(said: Sequence[KeptAffected], installed: Installed) -> Hit | None:
    """What one advisory says of the package that is installed; None when it is not affected.

    Raises:
        IncomparableError: the installed version cannot be compared, and is not one that is listed by itself.
    """
    if installed.modular is not None:
        said = [each for each in said if _is_of_the_stream(each, installed)]
    version, key = installed.lookup.version, installed.key
    if key is None and said and not any(version in each.versions for each in said if not each.subscription):
        raise IncomparableError(version)
    mended: dict[str, float | None] = {}
    is_affected = for_payers = False
    for each in said:
        spans = [] if key is None else [span for span in _spans(each, installed) if _is_in(span, installed.keys, key)]
        if each.subscription:
            if each.intervals and not spans:
                return None  # it is the build for paying users, whatever the others of its release have
            for_payers = True
            continue
        if spans:
            is_affected = True
        elif each.versions and _is_listed(each.versions, installed):
            is_affected = True
            spans = list(_next_fix(each, installed))
        for _, fixed, _, _ in spans:
            if fixed:
                mended.setdefault(fixed, each.since)
    if not is_affected:
        return None
    return Hit(
        fixed=tuple(mended),
        since=next((since for since in mended.values() if since is not None), None),
        severity=next((each.severity for each in said if each.severity and not each.subscription), ""),
        will_not_fix=not mended and any(each.status == WILL_NOT_FIX for each in said),
        subscription=not mended and for_payers,
    )


def _is_of_the_stream(said: KeptAffected, installed: Installed) -> bool:
    """An erratum for a module is about that module's stream; one that is for none is about no modular package."""
    if said.module and installed.lookup.module:
        return said.module == installed.lookup.module
    return (bool(said.module) or any(_MODULE in fixed for _, fixed, _, _ in said.intervals)) is installed.modular


def _spans(said: KeptAffected, installed: Installed) -> Sequence[Span]:
    """Its intervals; of several builds that mend the same, the first is enough."""
    spans = said.intervals
    if len(spans) > 1 and installed.builds and all(introduced == "0" and fixed for introduced, fixed, _, _ in spans):
        keyed = [(key, span) for span in spans if (key := installed.keys[span[1]]) is not None]
        return [min(keyed, key=lambda pair: pair[0])[1]] if len(keyed) == len(spans) else spans
    return spans


def _is_in(span: Span, keys: Keys, installed: Key) -> bool:
    """A bound that is no version bounds nothing: what cannot be compared is not held for unaffected."""
    introduced, fixed, last, limit = span
    if fixed and (key := keys[fixed]) is not None and installed >= key:
        return False
    if introduced not in {"0", ""} and (key := keys[introduced]) is not None and installed < key:
        return False
    if last and (key := keys[last]) is not None and installed > key:
        return False
    return not (limit and (key := keys[limit]) is not None and installed >= key)


def _is_listed(versions: Sequence[str], installed: Installed) -> bool:
    if installed.lookup.version in versions:
        return True
    return installed.key is not None and any(installed.keys[version] == installed.key for version in versions)


def _next_fix(said: KeptAffected, installed: Installed) -> Iterator[Span]:
    """The first fix that is later than a version that is in no interval, and listed by itself."""
    if installed.key is None:
        return
    later = [(key, span) for span in said.intervals if span[1] and (key := installed.keys[span[1]]) and installed.key < key]
    if later:
        yield min(later, key=lambda pair: pair[0])[1]
