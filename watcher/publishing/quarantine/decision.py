"""What the verdicts of an image come to: whether it is to be kept from being pulled, and why."""

import hashlib
from collections.abc import Collection, Sequence

import msgspec

from watcher.model.verdict import Outcome, Verdict

GOOD = frozenset({Outcome.PASS, Outcome.WARN})
MOST_CHARACTERS = 500


def of_environment(verdicts: Sequence[Verdict], environment: str | None) -> Verdict | None:
    """The one that counts of an image's newest verdicts: that of the environment it belongs to.

    Whoever submits an image for another environment asks what it would be there; no registry is changed for a question.
    """
    return next((each for each in verdicts if each.subject.environment == environment), None)


def condemns(verdict: Verdict | None, condemning: Collection[Outcome]) -> bool:
    return verdict is not None and verdict.outcome in condemning


def clears(verdict: Verdict, condemning: Collection[Outcome]) -> bool:
    """Whether it speaks for the image. That somebody could not look says nothing for it, and nothing against it."""
    return verdict.outcome in good_outcomes(condemning)


def good_outcomes(condemning: Collection[Outcome]) -> Collection[Outcome]:
    return GOOD.difference(condemning)


def is_by_tag(with_tag: Sequence[Verdict], without: Sequence[Verdict], clearing: Verdict) -> bool:
    """Whether an image was condemned because of a tag, perhaps; the first two are the verdicts that did, the newest first.

    It was not where everything that was found in it by the tag was found without it as well; and where it is cleared by other
    policies, data or facts, it is these that made the difference. Where nothing is known of it without the tag, it may have been.
    """
    if not with_tag:
        return not without
    if _grounds(with_tag[0]) != _grounds(clearing):
        return False
    found = {each for verdict in without for each in _found(verdict)}
    return not without or not _found(with_tag[0]) <= found


def _grounds(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.policy_revision, verdict.data_revision, verdict.facts_revision


def _found(verdict: Verdict) -> frozenset[tuple[str, str, str]]:
    return frozenset((each.rule, each.key, each.platform or "") for each in verdict.decisive())


def reason_of(verdict: Verdict) -> str:
    """As a sentence."""
    decisive = verdict.decisive()
    if not decisive:
        return (verdict.reason or verdict.outcome.value)[:MOST_CHARACTERS]
    more = f", and {len(decisive) - 1} more" if len(decisive) > 1 else ""
    return f"{decisive[0].rule}: {decisive[0].message}"[: MOST_CHARACTERS - len(more)] + more


def fingerprint(verdict: Verdict) -> str:
    """The same of verdicts that condemn an image for the same. What else is found may come with a tag, and go with it."""
    found = sorted({(each.rule, each.key, each.platform or "", each.action) for each in verdict.decisive()})
    return hashlib.sha256(msgspec.json.encode((verdict.outcome, found))).hexdigest()
