"""A verdict for people at a terminal, as rich renderables."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from watcher.kit.printable import printable
from watcher.model.gaps import gaps, says_why
from watcher.model.verdict import Action, Finding, Outcome, Verdict

OUTCOME_STYLES = {
    Outcome.PASS: "bold green",
    Outcome.WARN: "bold yellow",
    Outcome.FAIL: "bold red",
    Outcome.UNKNOWN: "bold magenta",
    Outcome.NOT_APPLICABLE: "bold cyan",
}
ACTION_STYLES = {Action.FAIL: "red", Action.WARN: "yellow", Action.UNKNOWN: "magenta", Action.NOTE: "cyan"}
# What stops an image comes first, whatever its category.
_ACTION_ORDER = (Action.FAIL, Action.UNKNOWN, Action.WARN, Action.NOTE)
# Past this a terminal only scrolls; JSON has everything.
MAX_LISTED = 25


def verdict_block(verdict: Verdict, *, name: str | None = None, besides: Collection[str] = ()) -> RenderableType:
    """One block: the outcome and the image, its findings by category, and what was not looked at; `besides` as for `gaps`."""
    lines: list[RenderableType] = [_headline(verdict, name)]
    if verdict.reason and not says_why(verdict):
        lines.append(_indented(Text(printable(verdict.reason), style="dim"), 2))
    for category, group in groupby(ordered(verdict.findings), key=lambda finding: finding.category):
        found = list(group)
        lines.append(_indented(Text(category.value.replace("-", " "), style="dim"), 2))
        lines.append(_indented(_findings(found[:MAX_LISTED]), 4))
        if len(found) > MAX_LISTED:
            lines.append(_indented(Text(f"… and {len(found) - MAX_LISTED} more; -o json lists all", style="dim"), 4))
    lines.extend(
        _indented(Text(f"{', '.join(names)}: {state.value}: {printable(reason)[:200]}", style="magenta dim"), 2)
        for state, names, reason in gaps(verdict, besides=besides)
    )
    return Group(*lines)


def _indented(shown: RenderableType, columns: int) -> Padding:
    return Padding(shown, (0, 0, 0, columns), expand=False)


def _headline(verdict: Verdict, name: str | None) -> Text:
    subject = verdict.subject
    shown = name or f"{subject.registry}/{subject.repository}" + (f":{verdict.tag}" if verdict.tag else "")
    headline = Text()
    headline.append(f" {verdict.outcome.value.upper():^7} ", style=f"reverse {OUTCOME_STYLES[verdict.outcome]}")
    headline.append(f" {printable(shown)}", style="bold")
    if verdict.platform:
        headline.append(f"  {printable(verdict.platform)}", style="dim")
    headline.append(f"  {subject.digest[:19]}", style="dim")
    return headline


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Category by category and rule by rule, each the worst first."""
    worst_first = {action: place for place, action in enumerate(_ACTION_ORDER)}
    worst_of: dict[str, int] = {}
    for finding in findings:
        place = worst_first[finding.action]
        worst_of[finding.category.value] = min(place, worst_of.get(finding.category.value, place))
    return sorted(
        findings,
        key=lambda each: (worst_of[each.category.value], each.category.value, worst_first[each.action], each.rule, each.key),
    )


def _findings(found: Sequence[Finding]) -> RenderableType:
    """What was found, rule by rule; how to fix it is said once for each rule."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for rule, group in groupby(found, key=lambda finding: finding.rule):
        hits = list(group)
        for finding, platforms in over_platforms(hits):
            text = Text(printable(", ".join(platforms) + ": " if platforms else "") + printable(finding.message or finding.title))
            evidence = finding.evidence
            if evidence is not None and evidence.created_by:
                text.append(f"\nin layer {evidence.layer_index}: {printable(evidence.created_by)[:100]}", style="dim")
            grid.add_row(Text(finding.action.value, style=ACTION_STYLES[finding.action]), text)
        remediation = printable(" ".join(hits[0].remediation.split()))
        grid.add_row("", Text(f"{rule}: {remediation}" if remediation else rule, style="dim"))
    return grid


def over_platforms(found: Sequence[Finding]) -> list[tuple[Finding, list[str]]]:
    """What an index's platforms have in common is said once, with their names."""
    platforms: dict[Finding, list[str]] = {}
    for finding in found:
        platforms.setdefault(replace(finding, platform=None), []).extend([finding.platform] if finding.platform else [])
    return list(platforms.items())
