"""What of an image was not looked at, as far as anybody who reads a verdict asked for it."""

from collections.abc import Collection, Sequence

from watcher.model.verdict import Outcome, SectionState, Verdict

# Begins the key of a finding that says which sections its rule could not rely on; their names follow, with commas.
SECTION_KEY = "section:"
_QUIET = (SectionState.COMPLETE, SectionState.NOT_CONFIGURED)


def gaps(verdict: Verdict, *, besides: Collection[str] = ()) -> Sequence[tuple[SectionState, Sequence[str], str]]:
    """State, sections and reason of what cannot be relied on. The verdict's JSON has all sections.

    A rule that asked for a section says in a finding that it is not there; what no rule asked for is not said, but for `besides`,
    and for all of them where no finding says why the image is unknown. What one reason keeps from several sections is said once,
    and not again where it is that of the verdict.
    """
    asked = {*besides}
    for finding in verdict.findings:
        if finding.key.startswith(SECTION_KEY):
            asked.update(finding.key.removeprefix(SECTION_KEY).split(","))
    everything = verdict.outcome is Outcome.UNKNOWN and not says_why(verdict)
    names: dict[tuple[SectionState, str], list[str]] = {}
    for name, section in verdict.sections.items():
        if section.state in _QUIET or not (everything or name in asked):
            continue
        if not section.reason or section.reason not in verdict.reason:
            names.setdefault((section.state, section.reason), []).append(name)
    return [(state, concerned, reason) for (state, reason), concerned in names.items()]


def says_why(verdict: Verdict) -> bool:
    """Whether there are findings, and those of a verdict that is unknown say why: else its reason does."""
    return bool(verdict.findings) and (verdict.outcome is not Outcome.UNKNOWN or bool(verdict.decisive()))
