"""What verdicts have in common: one vulnerability in many images, one rule that many images of a repository break. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from watcher.model.verdict import Action, Finding, Outcome, Verdict

# The key of a finding about a vulnerability is ID@PURL.
_PACKAGE = "@pkg:"
# What makes an outcome what it is.
_DECISIVE = {Outcome.FAIL: Action.FAIL, Outcome.UNKNOWN: Action.UNKNOWN, Outcome.WARN: Action.WARN}


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """Why an image has the outcome it has. `advisory` is the vulnerability that `rule` found, '' where it is about another thing;
    the cause is then `place`'s own, the `HOST/REPOSITORY`.

    `rule` is '' where the outcome does not follow from findings, and `advisory` the word for why.
    """

    rule: str
    advisory: str
    place: str = ""


def causes_of(verdict: Verdict, told: Verdict | None = None) -> dict[Cause, Finding | None]:
    """The causes of an outcome, each with a finding of it: those that are new since `told`, and all where none is."""
    decisive = list(decisive_findings(verdict))
    before = {(each.rule, each.key, each.platform) for each in decisive_findings(told)} if told is not None else set()
    fresh = [each for each in decisive if (each.rule, each.key, each.platform) not in before] or decisive
    if not fresh:
        return {Cause(rule="", advisory=verdict.reason.partition(":")[0]): None}
    causes: dict[Cause, Finding | None] = {}
    for each in fresh:
        causes.setdefault(cause_of(each, verdict), each)
    return causes


def cause_of(finding: Finding, verdict: Verdict) -> Cause:
    advisory, of_package, _ = finding.key.partition(_PACKAGE)
    if of_package:
        return Cause(rule=finding.rule, advisory=advisory)
    return Cause(rule=finding.rule, advisory="", place=f"{verdict.subject.registry}/{verdict.subject.repository}")


def decisive_findings(verdict: Verdict) -> Iterable[Finding]:
    """Those that make the outcome what it is; none of what is excepted."""
    action = _DECISIVE.get(verdict.outcome)
    return (each for each in verdict.findings if each.action is action and each.excepted_by is None)


def owners_of(verdicts: Sequence[Verdict]) -> int:
    """How many owners they have, those that are known."""
    return len({each.owner for each in verdicts if each.owner})
