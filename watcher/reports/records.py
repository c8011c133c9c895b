"""A verdict for a pipe or a log without a terminal: records of fields, one a line, whole."""

from collections.abc import Collection, Iterator, Sequence

from watcher.model.gaps import gaps, says_why
from watcher.model.verdict import Evidence, Verdict
from watcher.reports.table import ACTION_STYLES, OUTCOME_STYLES, ordered, over_platforms

STYLES = {outcome.value.upper(): style for outcome, style in OUTCOME_STYLES.items()} | {
    action.value: style for action, style in ACTION_STYLES.items()
}
"""By the first field of a record: an outcome is in capitals, so that nobody takes a finding's action for it."""


def verdict_records(verdict: Verdict, *, name: str | None = None, besides: Collection[str] = ()) -> Iterator[Sequence[str]]:
    """The verdict, then its findings, the worst first, then what was not looked at.

    The verdict is `OUTCOME, image, platform, digest, reason`, the reason where no finding has it; a finding is
    `action, rule, message, where, remediation, platforms`; a gap is `state, sections, reason`, with `besides` as for `gaps`.
    """
    subject = verdict.subject
    shown = name or f"{subject.registry}/{subject.repository}" + (f":{verdict.tag}" if verdict.tag else "")
    reason = "" if says_why(verdict) else verdict.reason
    yield verdict.outcome.value.upper(), shown, verdict.platform or "", subject.digest, reason
    for finding, platforms in over_platforms(ordered(verdict.findings)):
        message, remediation = finding.message or finding.title, " ".join(finding.remediation.split())
        yield finding.action.value, finding.rule, message, _where(finding.evidence), remediation, ", ".join(platforms)
    for state, names, reason in gaps(verdict, besides=besides):
        yield state.value, ", ".join(names), reason


def _where(evidence: Evidence | None) -> str:
    if evidence is None:
        return ""
    path = evidence.path or ""
    line = f", line {evidence.line}" if path and evidence.line is not None else ""
    layer = f"layer {evidence.layer_index}: {evidence.created_by}" if evidence.created_by else ""
    return "; ".join(each for each in (f"{path}{line}", layer) if each)
