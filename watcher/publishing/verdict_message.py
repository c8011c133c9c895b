"""A verdict as people are told of it: what about which image, the worst that was found, what to do, where to read on. Pure."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from watcher.model.gaps import gaps
from watcher.model.verdict import Action, Category, Finding, Outcome, Verdict
from watcher.publishing.message import Item, Level, Line, Link, Listing, Message, Paragraph, Span, foreign, name, ours, strong

# Three are read; the verdict has them all.
WORST = 3
LEVELS = {
    Outcome.PASS: Level.GOOD,
    Outcome.WARN: Level.DOUBTFUL,
    Outcome.FAIL: Level.BAD,
    Outcome.UNKNOWN: Level.DOUBTFUL,
    Outcome.NOT_APPLICABLE: Level.NEUTRAL,
}
WORST_FIRST = (Action.FAIL, Action.UNKNOWN, Action.WARN)
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "NEGLIGIBLE")
# As the pack writes it: `CVE-2020-14343 (CRITICAL) in PyYAML 5.3.1`.
_SEVERITY = re.compile(rf"\(({'|'.join(SEVERITIES)})\b")


def verdict_message(verdict: Verdict, *, resolved: bool = False, ended: Verdict | None = None, link: str | None = None) -> Message:
    """`resolved`: its outcome is none of those that are asked for, and the one before it was. `link` leads to the whole verdict.

    `ended` is the one before it, where that may be of another image.
    """
    findings = [each for each in verdict.findings if each.excepted_by is None and each.action in WORST_FIRST]
    blocks = [
        Paragraph(lines=tuple(_about(verdict))),
        *_found(findings),
        *_not_looked_at(verdict, findings),
        Paragraph(lines=((ours("to pull what was judged: "), name(verdict.subject.name)),)),
    ]
    return Message(
        title=_title(verdict, resolved=resolved),
        level=Level.GOOD if resolved and verdict.outcome is not Outcome.NOT_APPLICABLE else LEVELS[verdict.outcome],
        about=_key(verdict if ended is None else ended),
        blocks=tuple(blocks),
        links=(Link(label="verdict", url=link),) if link else (),
    )


def _key(verdict: Verdict) -> str:
    return f"{verdict.subject.name} {verdict.subject.environment or ''}".rstrip()


def _title(verdict: Verdict, *, resolved: bool) -> Line:
    subject = verdict.subject
    image = name(f"{subject.registry}/{subject.repository}" + (f":{verdict.tag}" if verdict.tag else f"@{subject.digest[:19]}"))
    where = (ours(" ("), foreign(subject.environment), ours(")")) if subject.environment else ()
    if resolved:
        return (ours("resolved: "), image, *where, ours(f" is now {verdict.outcome.value}"))
    return (ours(f"{verdict.outcome.value}: "), image, *where)


def _about(verdict: Verdict) -> Iterable[Line]:
    subject = verdict.subject
    tag = f":{verdict.tag}" if verdict.tag else ""
    platform = (ours(" for "), foreign(verdict.platform)) if verdict.platform else ()
    yield (name(f"{subject.registry}/{subject.repository}{tag}@{subject.digest[:19]}"), *platform)
    if verdict.origin is not None and verdict.origin.actor:
        yield (ours("pushed by "), foreign(verdict.origin.actor))
    if verdict.owner:
        yield (ours("belongs to "), foreign(verdict.owner))
    if verdict.policies:
        names = ", ".join(f"{each.name} {each.version}".rstrip() for each in verdict.policies)
        yield (ours("judged by "), foreign(names))


def _found(findings: Sequence[Finding]) -> Iterable[Paragraph | Listing]:
    if not findings:
        return
    counts = [(sum(each.action is action for each in findings), action.value) for action in WORST_FIRST]
    yield Paragraph(lines=((strong(", ".join(f"{count} {action}" for count, action in counts if count)),),))
    groups = _by_rule(findings)
    items = tuple(_item(group) for group in groups[:WORST])
    yield Listing(items=items, omitted=sum(len(group) for group in groups[WORST:]), noun="findings")


def _by_rule(findings: Sequence[Finding]) -> list[list[Finding]]:
    """What one rule says of several things, the worst first; and the rule whose worst is worst first."""
    ordered = sorted(findings, key=lambda each: (each.rule, each.action.value))
    groups = [sorted(group, key=_place) for _, group in groupby(ordered, key=lambda each: (each.rule, each.action))]
    return sorted(groups, key=lambda group: _place(group[0]))


def _place(finding: Finding) -> tuple[int, int, bool, str, str, str]:
    return (
        WORST_FIRST.index(finding.action),
        SEVERITIES.index(severity) if (severity := severity_of(finding)) else len(SEVERITIES),
        finding.category is not Category.SECURITY,
        finding.rule,
        finding.key,
        finding.platform or "",
    )


def severity_of(finding: Finding) -> str:
    """As its message says it, empty where it does not."""
    severity = _SEVERITY.search(finding.message)
    return severity[1] if severity else ""


def _item(group: Sequence[Finding]) -> Item:
    worst = group[0]
    platform = (foreign(worst.platform), ours(": ")) if worst.platform else ()
    more = (ours(f" (+{len(group) - 1} more like it)"),) if len(group) > 1 else ()
    said = foreign((worst.message or worst.title or worst.rule).strip())
    remedy: tuple[Span, ...] = (ours(": "), foreign(worst.remediation.strip())) if worst.remediation.strip() else ()
    return Item(
        line=(strong(worst.action.value), ours(": "), *platform, said, *more),
        details=((name(worst.rule), *remedy),),
        count=len(group),
    )


def _not_looked_at(verdict: Verdict, findings: Sequence[Finding]) -> Iterable[Paragraph]:
    """Why it could not be decided: the reason of the whole, and the sections that are not complete, one line for each reason."""
    if verdict.outcome is not Outcome.UNKNOWN:
        return
    lines: list[Line] = []
    if verdict.reason and not findings:
        lines.append((foreign(verdict.reason),))
    for state, titles, reason in gaps(verdict):
        why: tuple[Span, ...] = (ours(": "), foreign(reason)) if reason else ()
        lines.append((ours(f"{', '.join(titles)}: {state.value}"), *why))
    if lines:
        yield Paragraph(lines=((strong("not looked at, or not completely"),), *lines))
