"""Who an image runs as: known, or undecided, and never taken for somebody else."""

import pytest

from tests.unit.evaluation.conftest import Cases, Policies, brief, gap
from watcher.model.image import ImageConfig
from watcher.model.verdict import Outcome, SectionState


def test_the_effective_user_needs_passwd_only_for_a_name(make_policies: Policies, make_case: Cases) -> None:
    """USER 1000 is 1000 in a damaged image too."""
    policies = make_policies("- {id: r, when: 'image.config.runs_as_root'}")
    damaged = {"users": gap(SectionState.MISSING)}
    assert policies.evaluate(make_case(sections=damaged)).outcome is Outcome.PASS
    named = make_case(config=ImageConfig(user="app:app"), effective_uid=None, sections=damaged)
    assert brief(policies.evaluate(named).findings) == [("p/r", "unknown", "section:users")]


@pytest.mark.parametrize(
    "condition",
    [
        "image.config.runs_as_root",
        "!image.config.runs_as_root",
        "has(image.config.runs_as_root)",
        "image.config.effective_uid == 0",
        "image.config.effective_uid < 1000",
        "image.config.effective_user == 'root'",
        "cel.bind(c, image.config, c.runs_as_root)",
        "image.?config.?runs_as_root.orValue(false)",
    ],
)
def test_a_user_that_nobody_starts_is_not_taken_for_another_than_root(
    make_policies: Policies, make_case: Cases, condition: str
) -> None:
    """Whichever way a rule asks; only `has(image.config.effective_uid)` has an answer."""
    ghost = make_case(config=ImageConfig(user="ghost"), effective_uid=None)
    policies = make_policies(f'- {{id: r, when: "{condition}"}}')
    (finding,) = policies.evaluate(ghost).findings
    assert (finding.action, finding.key) == ("unknown", "section:effective-uid")
    assert "no runtime starts USER 'ghost'" in finding.message
    asked = make_policies("- {id: r, when: '!has(image.config.effective_uid) || image.config.effective_uid == 0'}")
    assert brief(asked.evaluate(ghost).findings) == [("p/r", "fail", "")]


@pytest.mark.parametrize("condition", ["image.config.runs_as_root", "!has(image.config.effective_uid)"])
def test_a_user_that_cannot_be_told_is_undecided_however_it_is_asked(
    make_policies: Policies, make_case: Cases, condition: str
) -> None:
    """An image of Windows has no uids, not even for a number."""
    partial = {"users": gap(SectionState.PARTIAL)}
    for user in ("ContainerUser", "", "1000"):
        case = make_case(config=ImageConfig(user=user), effective_uid=None, sections=partial)
        policies = make_policies(f"- {{id: r, when: '{condition}'}}")
        assert brief(policies.evaluate(case).findings) == [("p/r", "unknown", "section:users")]


def test_a_match_on_a_user_that_nobody_starts_cannot_be_decided(make_policies: Policies, make_case: Cases) -> None:
    """Nor is the policy passed over."""
    ghost = make_case(config=ImageConfig(user="ghost"), effective_uid=None)
    judgement = make_policies("- {id: r, when: 'true'}", match="image.config.runs_as_root").evaluate(ghost)
    assert judgement.outcome is Outcome.UNKNOWN
