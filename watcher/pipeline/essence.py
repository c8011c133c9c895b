"""News of hundreds of images at a time, in as much memory as a message about them needs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from watcher.model.verdict import Action, Finding, Outcome, Verdict
from watcher.publishing.protocol import News

# What people are told of many images is what most of them have; an image with more of its own has it in its verdict.
MOST_FINDINGS = 200


@dataclass(slots=True)
class Essences:
    """What images have in common is kept once."""

    _seen: dict[Finding, Finding] = field(default_factory=dict)

    def of(self, news: News) -> News:
        """With the findings that make the outcome what it is: those that are new, all where none is."""
        told = {_name(each) for each in _decisive(news.told)} if news.told is not None else set()
        findings = _decisive(news.verdict)
        fresh = [each for each in findings if _name(each) not in told] or findings
        kept = tuple(self._seen.setdefault(each, each) for each in fresh[:MOST_FINDINGS])
        before = replace(news.told, findings=(), sections={}) if news.told is not None else None
        return News(verdict=replace(news.verdict, findings=kept, sections={}), told=before)


_DECISIVE = {Outcome.FAIL: Action.FAIL, Outcome.UNKNOWN: Action.UNKNOWN, Outcome.WARN: Action.WARN}


def _decisive(verdict: Verdict) -> Sequence[Finding]:
    action = _DECISIVE.get(verdict.outcome)
    return [each for each in verdict.findings if each.action is action and each.excepted_by is None]


def _name(finding: Finding) -> tuple[str, str, str | None, Action]:
    return finding.rule, finding.key, finding.platform, finding.action
