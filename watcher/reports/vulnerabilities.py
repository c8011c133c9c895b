"""The vulnerabilities of an image: for people at a terminal as rich renderables, for a pipe as records."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from watcher.kit.printable import printable

# Not a severity, and worse than any.
MALICIOUS = "MALICIOUS"
SEVERITY_STYLES = {
    MALICIOUS: "bold reverse red",
    "CRITICAL": "bold red",
    "HIGH": "red",
    "MEDIUM": "yellow",
    "LOW": "cyan",
    "NEGLIGIBLE": "dim",
    "UNKNOWN": "magenta",
}
_WORST_FIRST = {severity: place for place, severity in enumerate(SEVERITY_STYLES)}
_SETTLED = ("not_affected", "fixed")
_NOT_FIXED = {"will-not-fix": "will not fix", "subscription": "subscribers only"}

Vulnerability = Mapping[str, Any]
"""As in the inspection document (docs/reference/policy.md), in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the table; what is said twice of one package at two places is one."""

    severity: str
    package: str
    id: str
    exploited: bool
    installed: str
    fixed: str

    @property
    def order(self) -> tuple[int, bool, str, str, str]:
        return (_WORST_FIRST[self.severity], not self.exploited, self.package, self.installed, self.id)


def vulnerabilities_block(found: Sequence[Vulnerability], *, most: int | None = None) -> RenderableType:
    """How many there are, and one line for each, worst first; at most `most` of them, since past that a terminal only scrolls.

    What VEX documents say does not affect the image is counted and not listed.
    """
    rows, settled = _rows(found)
    shown = rows if most is None else rows[:most]
    lines: list[RenderableType] = [_total(rows)]
    if shown:
        lines.append(_table(shown))
    if len(rows) > len(shown):
        lines.append(Text(f"… and {len(rows) - len(shown)} more; -o json lists all", style="dim"))
    if settled:
        lines.append(Text(_settled(settled), style="dim"))
    return Group(*lines)


def vulnerability_records(found: Sequence[Vulnerability]) -> Iterator[Sequence[str]]:
    """The same, one record each: `vulnerability, id, package, severity, installed, fixed`, and `kev` where it is exploited."""
    rows, settled = _rows(found)
    yield (_total(rows).plain,)
    for row in rows:
        yield "vulnerability", row.id, row.package, row.severity, row.installed, row.fixed, "kev" if row.exploited else ""
    if settled:
        yield (_settled(settled),)


def _rows(found: Sequence[Vulnerability]) -> tuple[Sequence[_Row], int]:
    """Worst first, and how many more are settled."""
    open_ones = [each for each in found if each.get("vex_status") not in _SETTLED]
    return sorted({_row(each) for each in open_ones}, key=lambda row: row.order), len(found) - len(open_ones)


def _settled(count: int) -> str:
    return f"{count} more of which VEX says that the image is not affected"


def _row(found: Vulnerability) -> _Row:
    package: Mapping[str, Any] = found.get("package") or {}
    fix: Mapping[str, Any] = found.get("fix") or {}
    owner = str(found.get("owner") or "")
    severity = str(found.get("severity") or "UNKNOWN")
    versions = [str(version) for version in fix.get("versions") or ()]
    fixed = ", ".join(versions) if fix.get("available") else ""
    return _Row(
        severity=MALICIOUS if found.get("malware") else severity if severity in _WORST_FIRST else "UNKNOWN",
        package=printable(str(package.get("name") or "") + (f" ({owner})" if owner else "")),
        id=printable(str(found.get("id") or "")),
        exploited=bool(found.get("kev")),
        installed=printable(str(package.get("version") or "")),
        fixed=printable(fixed or _NOT_FIXED.get(str(fix.get("state") or ""), "not fixed")),
    )


def _total(rows: Sequence[_Row]) -> Text:
    counted = Counter(row.severity for row in rows)
    named = [Text(f"{each}: {counted[each]}", style=style) for each, style in SEVERITY_STYLES.items() if counted[each]]
    total = Text(f"Vulnerabilities: {len(rows)}", style="bold")
    return Text.assemble(total, " (", Text(", ").join(named), ")") if named else total


def _table(rows: Sequence[_Row]) -> Table:
    """What people copy, an id, is never broken; names and versions are, at the edge of a terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Package", overflow="fold")
    table.add_column("Vulnerability", no_wrap=True)
    table.add_column("Severity", no_wrap=True)
    table.add_column("Installed", overflow="fold")
    table.add_column("Fixed", overflow="fold")
    for row in rows:
        severity = Text(row.severity, style=SEVERITY_STYLES[row.severity])
        if row.exploited:
            severity.append(" kev", style="bold red")
        table.add_row(Text(row.package), Text(row.id), severity, Text(row.installed), Text(row.fixed))
    return table
