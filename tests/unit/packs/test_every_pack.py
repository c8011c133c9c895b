"""Packs: every rule is tested and explained."""

import re
from pathlib import Path

import pytest

from watcher.evaluation.policies.loading import PolicySources, load_policies, pack_names
from watcher.evaluation.policy_tests import TestReport, run_tests
from watcher.evaluation.rules.policy_set import PolicySet

RULES = Path(__file__).parents[3] / "docs" / "rules"
every_pack = pytest.mark.parametrize("pack", pack_names())


def report_of(sources: PolicySources) -> TestReport:
    policies = PolicySet.compile(sources.documents.policies, revision=sources.revision)
    return run_tests(policies, sources.documents.tests)


@every_pack
def test_every_case_comes_true_and_every_rule_is_covered(pack: str) -> None:
    """The pack's own tests."""
    report = report_of(load_policies([pack]))
    assert [(case.name, case.problems) for case in report.cases if not case.passed] == []
    assert report.never_fired == ()


def test_packs_get_on_with_each_other() -> None:
    """Whoever has all of them in force can run the tests of all of them."""
    report = report_of(load_policies(pack_names()))
    assert [(case.name, case.problems) for case in report.cases if not case.passed] == []


@every_pack
def test_every_rule_has_its_section(pack: str) -> None:
    """What it catches, why it matters, how to fix it, when to waive it; its action and category as they are."""
    page = (RULES / f"{pack}.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    (source,) = load_policies([pack]).documents.policies
    assert list(sections) == [rule.id for rule in source.document.rules]
    for rule in source.document.rules:
        text = sections[rule.id]
        assert f"**{rule.action.title()}, {rule.category.replace('-', ' ')}." in text, rule.id
        for part in ("What it catches: ", "Why it matters: ", "How to fix it:", "When to waive it: "):
            assert part in text, (rule.id, part)


@every_pack
def test_every_list_is_explained(pack: str) -> None:
    """What it holds, and what it means when it is empty."""
    page = (RULES / f"{pack}.md").read_text(encoding="utf-8")
    (source,) = load_policies([pack]).documents.policies
    assert set(re.findall(r"^\| `(\S+)` \|", page, re.MULTILINE)) == set(source.lists)


@every_pack
def test_every_rule_says_what_to_do(pack: str) -> None:
    """A finding without a way out is only an annoyance."""
    (source,) = load_policies([pack]).documents.policies
    assert [rule.id for rule in source.document.rules if not (rule.title and rule.remediation)] == []
