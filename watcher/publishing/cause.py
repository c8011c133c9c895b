"""What verdicts have in common: one vulnerability in many images, one rule that many images of a repository break. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from watcher.model.verdict import Finding, Verdict

# The key of a finding about a vulnerability is ID@PURL.
_PACKAGE = "@pkg:"


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
    decisive = verdict.decisive(told)
    if not decisive:
        return {Cause(rule="", advisory=verdict.reason.partition(":")[0]): None}
    causes: dict[Cause, Finding | None] = {}
    for each in decisive:
        causes.setdefault(cause_of(each, verdict), each)
    return causes


def cause_of(finding: Finding, verdict: Verdict) -> Cause:
    advisory, of_package, _ = finding.key.partition(_PACKAGE)
    if of_package:
        return Cause(rule=finding.rule, advisory=advisory)
    return Cause(rule=finding.rule, advisory="", place=f"{verdict.subject.registry}/{verdict.subject.repository}")


def owners_of(verdicts: Sequence[Verdict]) -> int:
    """How many owners they have, those that are known."""
    return len({each.owner for each in verdicts if each.owner})
