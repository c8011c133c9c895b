"""What people are told was not looked at."""

from dataclasses import replace

from tests.doubles.verdicts import FINDING, a_verdict
from watcher.model.gaps import gaps, says_why
from watcher.model.verdict import Action, Finding, Outcome, Section, SectionState

BASE = Section(state=SectionState.MISSING, reason="no annotation names a base image")
FILES = Section(state=SectionState.PARTIAL, reason="layer 2 is damaged")
SECTIONS = {"base": BASE, "files": FILES, "packages": FILES, "users": Section()}
UNDECIDED = Finding(rule="team/base", action=Action.UNKNOWN, message="base missing", key="section:base")


def test_what_nobody_asked_for_is_not_missed() -> None:
    """A section that no finding misses was asked for by no rule."""
    assert gaps(a_verdict(outcome=Outcome.PASS, findings=(), sections=SECTIONS)) == []
    assert gaps(a_verdict(findings=(FINDING,), sections=SECTIONS)) == []


def test_what_a_rule_asked_for_is() -> None:
    """Its finding names the sections; one reason is said once."""
    both = replace(UNDECIDED, key="section:files,packages")
    found = gaps(a_verdict(outcome=Outcome.UNKNOWN, findings=(both,), sections=SECTIONS))
    assert found == [(SectionState.PARTIAL, ["files", "packages"], "layer 2 is damaged")]
    (only,) = gaps(a_verdict(outcome=Outcome.UNKNOWN, findings=(UNDECIDED,), sections=SECTIONS))
    assert only == (SectionState.MISSING, ["base"], BASE.reason)


def test_what_stands_beside_a_verdict_may_rest_on_some() -> None:
    """As the list of vulnerabilities does, whatever rules there are."""
    assert gaps(a_verdict(outcome=Outcome.PASS, findings=(), sections=SECTIONS), besides=("base",)) == [
        (SectionState.MISSING, ["base"], BASE.reason)
    ]


def test_an_image_that_no_rule_could_judge_misses_all() -> None:
    """But what its own reason says already."""
    note = replace(FINDING, action=Action.NOTE)
    verdict = a_verdict(outcome=Outcome.UNKNOWN, findings=(note,), sections=SECTIONS, reason="damaged: layer 2 is damaged")
    assert gaps(verdict) == [(SectionState.MISSING, ["base"], BASE.reason)]
    assert not says_why(verdict)
    assert says_why(replace(verdict, findings=(UNDECIDED,)))
