"""What gatherers brought, as rules read it."""

from dataclasses import replace

import pytest

from tests.doubles.gatherers import knowing
from tests.unit.evaluation.conftest import Cases, Policies
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import Outcome, Section, SectionState

RULE = (
    "- {id: v, each: vulnerabilities as v, when: 'true'}\n- {id: db, when: 'now - data.vulnerability_db_time > duration(\"48h\")'}"
)
ONE = {"id": "CVE-1", "package": {"purl": "pkg:deb/debian/bash@1"}}
OLD = {"vulnerability_db_time": "2025-12-01T00:00:00Z"}


def test_collections_and_variables_of_a_section_are_read(make_policies: Policies, make_case: Cases) -> None:
    """Items with their keys, and the data they are from by the one clock a rule has."""
    case = replace(make_case(), knowledge=(knowing("vulnerabilities", vulnerabilities=[ONE], data=OLD),))
    judgement = make_policies(RULE).evaluate(case)
    assert [(each.rule, each.key) for each in judgement.findings] == [("p/v", "CVE-1@pkg:deb/debian/bash@1"), ("p/db", "")]


def test_what_several_bring_of_one_variable_is_one(make_policies: Policies, make_case: Cases) -> None:
    """`data` has a part of each section; things that nobody finds out yet can be gathered too."""
    malware = knowing("malware", malware=[{"scanner": "s", "signature": "Eicar", "path": "/x"}], data={"malware_scan": "done"})
    case = replace(make_case(), knowledge=(knowing("vulnerabilities", data=OLD), malware))
    rules = "- {id: both, when: 'data.malware_scan == \"done\" && has(data.vulnerability_db_time)'}\n"
    judgement = make_policies(rules + "- {id: mal, each: malware as m, when: 'true'}").evaluate(case)
    assert [(each.rule, each.key) for each in judgement.findings] == [("p/both", ""), ("p/mal", "s+Eicar+/x")]


def test_a_section_that_is_not_whole_still_gives_its_findings(make_policies: Policies, make_case: Cases) -> None:
    """And leaves open whether there are more."""
    stale = replace(
        knowing(vulnerabilities=[ONE]), sections={"vulnerabilities": Section(state=SectionState.STALE, reason="of last year")}
    )
    judgement = make_policies("- {id: v, each: vulnerabilities as v, when: 'true', action: warn}").evaluate(
        replace(make_case(), knowledge=(stale,))
    )
    assert [each.action.value for each in judgement.findings] == ["warn", "unknown"]
    assert "vulnerabilities stale (of last year)" in judgement.findings[1].message


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"{", "truncated"),
        (b"[]", "expected an object"),
        (b'{"vulnerabilities": {}}', "expected a list"),
        (b'{"vulnerabilities": [{"nonsense": 1}]}', "nonsense"),
        (b'{"vulnerabilities": [{"severity": "TERRIBLE"}]}', "severity"),
        (b'{"provenance": {}}', "it is not of vulnerabilities"),
        (b'{"packages": []}', "it is not of vulnerabilities"),
        (b'{"image": {}}', "it is not of vulnerabilities"),
        (b"[" * 100_000, ""),
    ],
)
def test_what_does_not_fit_the_document_is_no_evidence(
    document: bytes, reason: str, make_policies: Policies, make_case: Cases
) -> None:
    """Its sections are missing, whatever they were said to be: an image is never sound for what could not be read."""
    knowledge = Knowledge(sections={"vulnerabilities": Section()}, document=document)
    judgement = make_policies(RULE).evaluate(replace(make_case(), knowledge=(knowledge,)))
    assert judgement.outcome is Outcome.UNKNOWN
    section = judgement.sections["vulnerabilities"]
    assert section.state is SectionState.MISSING
    assert reason in section.reason
