"""What the verdicts of an image come to: whether it is to be kept from being pulled, and why."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from watcher.model.verdict import Outcome, Verdict

GOOD = frozenset({Outcome.PASS, Outcome.WARN})
MOST_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`condemned` is the verdict that condemns the image, None for none; `cleared`: every one of them speaks for it.

    Neither: somebody could not look, which says nothing for the image and nothing against it.
    """

    condemned: Verdict | None = None
    cleared: bool = False


def decide(verdicts: Sequence[Verdict], condemning: Collection[Outcome]) -> Decision:
    """By the newest verdict of every environment: one that condemns is enough, since a tag leads to one image for all of them."""
    condemned = next((each for each in verdicts if each.outcome in condemning), None)
    good = good_outcomes(condemning)
    return Decision(condemned=condemned, cleared=bool(verdicts) and all(each.outcome in good for each in verdicts))


def good_outcomes(condemning: Collection[Outcome]) -> Collection[Outcome]:
    return GOOD.difference(condemning)


def reason_of(verdict: Verdict) -> str:
    """As a sentence."""
    decisive = verdict.decisive()
    if not decisive:
        return (verdict.reason or verdict.outcome.value)[:MOST_CHARACTERS]
    more = f", and {len(decisive) - 1} more" if len(decisive) > 1 else ""
    return f"{decisive[0].rule}: {decisive[0].message}"[: MOST_CHARACTERS - len(more)] + more


def fingerprint(verdict: Verdict) -> str:
    """The same of verdicts that say the same, as `Verdict.repeats` has it."""
    found = sorted({(each.rule, each.key, each.platform or "", each.action, each.excepted_by is None) for each in verdict.findings})
    return hashlib.sha256(msgspec.json.encode((verdict.outcome, found))).hexdigest()
