"""What the images of an index come to together: the worst outcome, and every finding with the platform it is of. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from watcher.kit.counted import counted
from watcher.model.reference import Tag
from watcher.model.verdict import MAX_SKIPPED, Finding, Section, SectionState, Subject, Verdict, worst

# From best to worst.
_STATES = (
    SectionState.COMPLETE,
    SectionState.NOT_CONFIGURED,
    SectionState.STALE,
    SectionState.PARTIAL,
    SectionState.MISSING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One image of an index. `name` is what its own configuration says; where nobody could read that, what the index says."""

    name: str
    verdict: Verdict


def combined(platforms: Sequence[Platform], *, id: str, subject: Subject, tag: Tag | None, media_type: str) -> Verdict:  # noqa: A002
    """The verdict of the index. There is at least one platform."""
    outcome = worst(each.verdict.outcome for each in platforms)
    speaker = next(each for each in platforms if each.verdict.outcome is outcome)
    said = speaker.verdict
    return replace(
        said,
        id=id,
        outcome=outcome,
        subject=subject,
        tag=tag,
        media_type=media_type,
        platform=None,
        index_digest=None,
        policies=tuple(dict.fromkeys(policy for each in platforms for policy in each.verdict.policies)),
        facts_revision=facts_revision(each.verdict.facts_revision for each in platforms),
        data_revision=" ".join(dict.fromkeys(each.verdict.data_revision for each in platforms if each.verdict.data_revision)),
        findings=tuple(sorted(_findings(platforms), key=lambda finding: (finding.rule, finding.key))),
        sections=_sections(platforms),
        reason=said.reason or f"{speaker.name} is the worst of {counted(len(platforms), 'platform')}",
    )


def facts_revision(revisions: Iterable[str]) -> str:
    joined = "\n".join(sorted(revisions))
    return "sha256:" + sha256(joined.encode()).hexdigest()


def _findings(platforms: Sequence[Platform]) -> Iterator[Finding]:
    for each in platforms:
        yield from (replace(finding, platform=each.name) for finding in each.verdict.findings)


def _sections(platforms: Sequence[Platform]) -> dict[str, Section]:
    names = dict.fromkeys(name for each in platforms for name in each.verdict.sections)
    return {name: _section([(each.name, each.verdict.sections.get(name, Section())) for each in platforms]) for name in names}


def _section(covered: Sequence[tuple[str, Section]]) -> Section:
    """What can be said of all of them: a section that one platform lacks and another has is partial."""
    sections = [section for _, section in covered]
    if all(section == sections[0] for section in sections):
        return sections[0]
    state = max((section.state for section in sections), key=_STATES.index)
    if state is SectionState.MISSING and any(section.state is SectionState.COMPLETE for section in sections):
        state = SectionState.PARTIAL
    return Section(
        state=state,
        reason="; ".join(f"{name}: {section.reason}" for name, section in covered if section.reason),
        skipped=tuple(f"{name}: {what}" for name, section in covered for what in section.skipped)[:MAX_SKIPPED],
    )
