"""Many verdicts as people are told of them in one message: by what they have in common, the widest first. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from watcher.kit.counted import counted
from watcher.model.verdict import Finding, Outcome, Verdict
from watcher.publishing.cause import Cause, causes_of, owners_of
from watcher.publishing.message import Item, Line, Link, Listing, Message, Paragraph, Span, foreign, name, ours, strong
from watcher.publishing.protocol import News
from watcher.publishing.verdict_message import LEVELS, SEVERITIES, severity_of

# As many causes as fit on a screen, and as many images as show which they are.
MOST_CAUSES = 10
MOST_IMAGES = 3
MOST_RESOLVED = 5
_WORST_FIRST = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN, Outcome.PASS, Outcome.NOT_APPLICABLE)
_HELD = {
    "quiet-hours": "It was held until the quiet hours were over.",
    "digest": "This is the digest of a day.",
    "budget": "It was held because more was to be said than one message after another for an hour.",
}


@dataclass(slots=True)
class _Group:
    """What one cause has done."""

    finding: Finding | None
    verdicts: list[Verdict] = field(default_factory=list)


def summary_message(news: Sequence[News], *, outcomes: Sequence[Outcome], held: str = "", link: str | None = None) -> Message:
    """`outcomes` are those that the reader asked for: what has left them is resolved. `held` is why it comes late, as a word."""
    current = _newest(news)
    bad = [each for each in current if each.verdict.outcome in outcomes]
    resolved = [each.verdict for each in current if each.verdict.outcome not in outcomes]
    groups = _grouped(bad)
    verdicts = [each.verdict for each in bad]
    blocks: list[Paragraph | Listing] = []
    if held:
        blocks.append(Paragraph(lines=((ours(_HELD.get(held, held)),),)))
    if groups:
        items = tuple(_item(cause, group) for cause, group in groups[:MOST_CAUSES])
        blocks.append(Listing(items=items, omitted=len(groups) - len(items), noun="causes"))
    if resolved:
        blocks += _resolved(resolved)
    worst = min((each.outcome for each in verdicts), key=_WORST_FIRST.index, default=Outcome.PASS)
    return Message(
        title=_title(verdicts, resolved, groups),
        level=LEVELS[worst],
        blocks=tuple(blocks),
        links=(Link(label="verdicts", url=link),) if link else (),
    )


def _newest(news: Sequence[News]) -> Sequence[News]:
    """Of several verdicts of a subject the last."""
    return list({(each.verdict.subject.name, each.verdict.subject.environment): each for each in news}.values())


def _grouped(news: Sequence[News]) -> Sequence[tuple[Cause, _Group]]:
    groups: dict[Cause, _Group] = {}
    for each in news:
        for cause, finding in causes_of(each.verdict, each.told).items():
            groups.setdefault(cause, _Group(finding)).verdicts.append(each.verdict)
    return sorted(groups.items(), key=lambda each: (*_place(each[1]), each[0]))


def _place(group: _Group) -> tuple[int, int, int]:
    """The worst first, then what most images have."""
    outcome = min(_WORST_FIRST.index(each.outcome) for each in group.verdicts)
    severity = severity_of(group.finding) if group.finding is not None else ""
    return outcome, SEVERITIES.index(severity) if severity else len(SEVERITIES), -len(group.verdicts)


def _title(verdicts: Sequence[Verdict], resolved: Sequence[Verdict], groups: Sequence[tuple[Cause, _Group]]) -> Line:
    if len(groups) == 1 and not resolved:
        (cause, group), *_ = groups
        return (*_called(cause, group.finding), ours(": "), *_extent(cause, group.verdicts))
    counts = Counter(each.outcome for each in verdicts)
    parts = [f"{counts[outcome]} {outcome.value}" for outcome in _WORST_FIRST if counts[outcome]]
    parts += [f"{len(resolved)} resolved"] if resolved else []
    parts[0] = f"{counted(len(verdicts) + len(resolved), 'image')}: {parts[0]}"
    owners = owners_of([*verdicts, *resolved])
    return (ours(", ".join([*parts, *([counted(owners, "owner")] if owners else [])])),)


def _called(cause: Cause, finding: Finding | None) -> Line:
    if finding is None:
        return (foreign(cause.advisory or "no reason"),)
    if not cause.advisory:
        return (foreign(finding.title or finding.rule),)
    severity = severity_of(finding)
    return (name(cause.advisory), *((ours(f" ({severity})"),) if severity else ()))


def _extent(cause: Cause, verdicts: Sequence[Verdict]) -> Iterator[Span]:
    """`214 images, 9 owners`, or `3 images of team/app`."""
    yield ours(counted(len(verdicts), "image"))
    if cause.place:
        yield ours(" of ")
        yield name(cause.place)
    owners = owners_of(verdicts)
    if owners > 1:
        yield ours(f", {counted(owners, 'owner')}")
    elif owners:
        yield ours(" (")
        yield foreign(next(each.owner for each in verdicts if each.owner))
        yield ours(")")


def _item(cause: Cause, group: _Group) -> Item:
    finding = group.finding
    outcome = min((each.outcome for each in group.verdicts), key=_WORST_FIRST.index)
    details: list[Line] = []
    if finding is not None and not cause.advisory and finding.message.strip() not in ("", finding.title):
        details.append((foreign(finding.message.strip()),))
    if finding is not None and finding.remediation.strip():
        details.append((foreign(finding.remediation.strip()),))
    details += _images(group.verdicts, MOST_IMAGES)
    return Item(
        line=(strong(outcome.value), ours(": "), *_called(cause, finding), ours(": "), *_extent(cause, group.verdicts)),
        details=tuple(details),
    )


def _resolved(verdicts: Sequence[Verdict]) -> Iterator[Paragraph | Listing]:
    yield Paragraph(lines=((strong(f"resolved: {counted(len(verdicts), 'image')}"),),))
    shown = tuple(Item(line=(_image(each), ours(f" is now {each.outcome.value}"))) for each in verdicts[:MOST_RESOLVED])
    yield Listing(items=shown, omitted=len(verdicts) - len(shown), noun="images")


def _images(verdicts: Sequence[Verdict], most: int) -> Iterator[Line]:
    for each in verdicts[:most]:
        yield (_image(each),)
    if len(verdicts) > most:
        yield (ours(f"and {counted(len(verdicts) - most, 'more image')}"),)


def _image(verdict: Verdict) -> Span:
    subject = verdict.subject
    return name(f"{subject.registry}/{subject.repository}" + (f":{verdict.tag}" if verdict.tag else f"@{subject.digest[:19]}"))
