"""How far the data go for one image, as the section `vulnerabilities`. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watcher.advisories.vulnerabilities import Kind
from watcher.kit.counted import counted
from watcher.model.inventory import Inventory
from watcher.model.verdict import Section, SectionState

UPDATE = "watcher advisories update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """`as_of` is of when the oldest of the data are that were asked, None when none were."""

    section: Section
    as_of: datetime | None


def is_stale(as_of: datetime | None, *, now: datetime, max_age_seconds: float) -> bool:
    """Whether data are older than they may be; there are none where nobody says of when."""
    return as_of is not None and now - as_of > timedelta(seconds=max_age_seconds)


def covered(
    inventory: Inventory,
    kinds: Counter[Kind],
    as_of: Callable[[str], datetime | None],
    incomparable: Sequence[str],
    *,
    now: datetime,
    max_age_seconds: float,
) -> Coverage:
    """Complete only when every package's ecosystem has data, none of them is too old, and every version could be compared.

    `kinds` are those of the packages, as they were matched.
    """
    dates = {ecosystem: as_of(ecosystem) for _, ecosystem in kinds if ecosystem is not None}
    known = [date for date in dates.values() if date is not None]
    oldest = min(known, default=None)
    without = [
        f"{ecosystem or _kind(kind, inventory)}: {counted(count, 'package')}"
        for (kind, ecosystem), count in kinds.most_common()
        if ecosystem is None or dates[ecosystem] is None
    ]
    stale = sorted(name for name, date in dates.items() if is_stale(date, now=now, max_age_seconds=max_age_seconds))
    return Coverage(section=_section(inventory, without, stale, incomparable, any_known=bool(known)), as_of=oldest)


def list_section(as_of: datetime | None, what: str, *, now: datetime, max_age_seconds: float) -> Section:
    """How far a list that is about vulnerabilities by name can be relied on."""
    if as_of is None:
        return Section(state=SectionState.MISSING, reason=f"{what} are not imported: {UPDATE}")
    if is_stale(as_of, now=now, max_age_seconds=max_age_seconds):
        return Section(state=SectionState.STALE, reason=f"{what} are too old: {UPDATE}")
    return Section()


def _section(
    inventory: Inventory, without: Sequence[str], stale: Sequence[str], incomparable: Sequence[str], *, any_known: bool
) -> Section:
    packages = inventory.sections.get("packages", Section(state=SectionState.MISSING, reason="the inspection says nothing of it"))
    if packages.state is SectionState.MISSING:
        return Section(state=SectionState.MISSING, reason=f"packages: {packages.reason}")
    if without and not any_known:
        return Section(state=SectionState.MISSING, reason=f"no advisories for {_list(without)}: {UPDATE}", skipped=tuple(without))
    if without:
        return Section(state=SectionState.PARTIAL, reason=f"no advisories for {_list(without)}", skipped=tuple(without))
    if stale:
        return Section(
            state=SectionState.STALE, reason=f"the advisories for {_list(stale)} are too old: {UPDATE}", skipped=tuple(stale)
        )
    if packages.state is not SectionState.COMPLETE:
        return Section(state=packages.state, reason=f"packages: {packages.reason}", skipped=packages.skipped)
    if incomparable:
        reason = f"{counted(len(incomparable), 'package has', 'packages have')} a version that cannot be compared"
        return Section(state=SectionState.PARTIAL, reason=reason, skipped=tuple(incomparable))
    return Section()


def _kind(package_type: str, inventory: Inventory) -> str:
    distro = inventory.distro
    return f"{package_type} packages of {distro.id or 'no distribution'} {distro.version}".strip()


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
