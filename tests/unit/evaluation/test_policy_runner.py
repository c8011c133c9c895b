"""PolicyTest: cases that must come true, and rules that no case makes fire."""

from datetime import UTC, datetime

import pytest

from tests.unit.evaluation.conftest import Policies
from watcher.evaluation.policies.reading import read_documents
from watcher.evaluation.policy_tests import DEFAULT_NOW, TestReport, case_document, merge, run_tests
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.model.errors import PolicyError

RULES = (
    "- {id: root, action: warn, when: 'image.config.runs_as_root'}\n"
    "- {id: suid, each: files as f, when: f.suid}\n"
    "- {id: pkg, each: packages as p, when: 'p.name in lists[\"banned\"]'}"
)


@pytest.fixture
def policies(make_policies: Policies) -> PolicySet:
    return make_policies(RULES, lists="{banned: [telnetd]}")


def run(policies: PolicySet, cases: str, given: str = "{}") -> TestReport:
    text = f"apiVersion: watcher/v1\nkind: PolicyTest\ngiven: {given}\ncases:\n{cases}"
    return run_tests(policies, read_documents(text, "t.yaml").tests)


def problems(policies: PolicySet, case: str) -> str:
    (result,) = run(policies, f"  - {case}").cases
    return "\n".join(result.problems)


def test_cases_that_come_true_pass(policies: PolicySet) -> None:
    """Findings are globs over rule, or rule and key; others may be there too."""
    report = run(
        policies,
        "  - {name: sound, expect: {outcome: pass, absent: ['**']}}\n"
        "  - {name: root, input: {image: {config: {effective_uid: 0}}}, expect: {outcome: warn, findings: [p/root, 'p/**']}}\n"
        "  - {name: suid, input: {files: [{path: /x/su, mode: 0o4755}]}, "
        "expect: {findings: ['p/suid#/x/*', 'p/*#**'], absent: [p/root]}}",
    )
    assert [case.problems for case in report.cases] == [(), (), ()]
    assert report.cases[1].place == "t.yaml:6:5"
    assert report.passed()
    assert (report.never_fired, round(report.coverage_percent)) == (("p/pkg",), 67)
    assert report.passed(min_coverage_percent=66) is True
    assert report.passed(min_coverage_percent=67) is False


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("{name: c, expect: {outcome: fail}}", "expected fail, got pass; found: nothing"),
        ("{name: c, expect: {findings: [p/root]}}", "expected a finding p/root; found: nothing"),
        (
            "{name: c, input: {image: {config: {effective_uid: 0}}}, expect: {absent: ['p/*']}}",
            "expected no p/*; found: p/root (root)",
        ),
        ("{name: c, input: {files: [{path: /su, suid: true}]}, expect: {findings: ['p/suid#/x']}}", "found: p/suid#/su"),
    ],
)
def test_what_does_not_come_true_is_said(policies: PolicySet, case: str, problem: str) -> None:
    """With what came instead."""
    assert problem in problems(policies, case)


def test_input_is_laid_over_what_is_given(policies: PolicySet) -> None:
    """Mappings key by key, lists whole."""
    assert merge({"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2]}, "e": {}}) == {"a": {"b": 1, "c": [2]}, "d": 1, "e": {}}
    given = "{image: {config: {effective_uid: 0}}, packages: [{name: telnetd}]}"
    report = run(policies, "  - {name: c, input: {packages: []}, expect: {findings: [p/root], absent: [p/pkg]}}", given)
    assert report.passed()


def test_sections_are_complete_unless_the_case_says_otherwise(policies: PolicySet) -> None:
    """By state alone, or with a reason."""
    assert (
        problems(policies, "{name: c, input: {sections: {packages: missing}}, expect: {findings: ['p/pkg#section:packages']}}")
        == ""
    )
    with_reason = "{name: c, input: {sections: {files: {state: partial, reason: big}}}, expect: {outcome: unknown}}"
    assert problems(policies, with_reason) == ""


def test_that_a_rule_was_undecided_is_no_coverage(policies: PolicySet) -> None:
    """A rule has fired when it found something."""
    report = run(policies, "  - {name: c, input: {sections: {packages: missing, files: missing}}, expect: {outcome: unknown}}")
    assert report.fired == frozenset()


def test_lists_can_be_set_for_a_case(policies: PolicySet) -> None:
    """What a pack leaves to the operator can be tested."""
    case = "{name: c, input: {packages: [{name: vim}], lists: {banned: [vim]}}, expect: {outcome: fail}}"
    assert problems(policies, case) == ""


@pytest.mark.parametrize(
    ("now", "moment"),
    [
        (None, DEFAULT_NOW),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T10:00:00+01:00", datetime(2026, 11, 23, 9, tzinfo=UTC)),
    ],
)
def test_the_clock_stands_still(now: str | None, moment: datetime) -> None:
    """A case is judged at its own time, on whatever day it runs."""
    line = f"now: '{now}', " if now else ""
    text = f"apiVersion: watcher/v1\nkind: PolicyTest\ncases: [{{name: c, {line}expect: {{outcome: pass}}}}]"
    (test,) = read_documents(text, "t.yaml").tests
    assert case_document({}, test.document.cases[0]).now == moment


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        (
            "{name: c, input: {imag: {}}, expect: {outcome: pass}}",
            "t.yaml:5:5: case 'c': input has no 'imag'; it has base, certificates",
        ),
        ("{name: c, input: {image: {confg: {}}}, expect: {}}", 'image: Message type "Image" has no field named "confg"'),
        ("{name: c, input: {image: 3}, expect: {}}", "image: expected a mapping"),
        ("{name: c, input: {files: {}}, expect: {}}", "files: expected a list"),
        ("{name: c, input: {files: [3]}, expect: {}}", "files: expected a mapping"),
        ("{name: c, input: {files: [{mode: big}]}, expect: {}}", "files: Failed to parse mode field"),
        ("{name: c, input: {sections: {pakages: missing}}, expect: {}}", "sections: there is no 'pakages'"),
        ("{name: c, input: {sections: {packages: gone}}, expect: {}}", "sections.packages: 'gone' is none of complete, partial"),
        ("{name: c, input: {sections: []}, expect: {}}", "sections: expected a mapping"),
        ("{name: c, input: {lists: {a: x}}, expect: {}}", "lists: expected a mapping of names to lists"),
        ("{name: c, now: later, expect: {}}", "now: 'later' is neither a day nor a time"),
        ("{name: c, now: '2026-01-01T00:00:00', expect: {}}", "now: '2026-01-01T00:00:00' has no time zone"),
    ],
)
def test_a_case_that_cannot_be_read_is_an_error(policies: PolicySet, case: str, complaint: str) -> None:
    """A misspelt name would otherwise make a test pass that tests nothing."""
    with pytest.raises(PolicyError) as raised:
        run(policies, f"  - {case}")
    assert complaint in str(raised.value)


def test_no_rules_are_all_covered() -> None:
    """Nothing is left out of nothing."""
    assert run_tests(PolicySet(policies=(), revision=""), ()).coverage_percent == 100
