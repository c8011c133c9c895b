"""Rules about SBOMs that are attached to an image."""

from dataclasses import replace

import pytest

from tests.unit.evaluation.conftest import Cases, Policies
from watcher.model.digest import Digest
from watcher.model.inventory import AttachedSboms, Package, PackageRecord, SbomDocument
from watcher.model.verdict import Finding, Section, SectionState

RULES = """
- {id: attached, when: '!sbom.attached'}
- {id: tool, when: 'sbom.documents.exists(d, d.tool.startsWith("syft") && d.packages > 1)'}
- {id: missing, each: sbom_missing as p, when: 'true'}
- {id: extra, each: sbom_extra as p, when: '!has(p.layer)'}
"""
DOCUMENT = SbomDocument(source="referrer", digest=Digest("sha256:" + "a" * 64), format="SPDX 2.3", tool="syft 1.18", packages=2)
DIFFERENT = AttachedSboms(
    documents=(DOCUMENT,),
    missing=("pkg:deb/debian/b@1",),
    extra=(PackageRecord(type="npm", name="c", version="1", purl="pkg:npm/c@1"),),
)
PACKAGES = tuple(
    Package(record=PackageRecord(type="deb", name=name, version="1", purl=f"pkg:deb/debian/{name}@1"), path="status", layer=1)
    for name in "ab"
)


def brief(findings: tuple[Finding, ...]) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.action.value, finding.key) for finding in findings]


def test_rules_see_what_is_attached_and_how_it_differs(make_policies: Policies, make_case: Cases) -> None:
    """A package that is in no document with its layer; one that only a document knows has none."""
    findings = make_policies(RULES).evaluate(make_case(packages=PACKAGES, sbom=DIFFERENT)).findings
    assert brief(findings) == [
        ("p/tool", "fail", ""),
        ("p/missing", "fail", "pkg:deb/debian/b@1"),
        ("p/extra", "fail", "pkg:npm/c@1"),
    ]
    places = {finding.key: finding.evidence for finding in findings if finding.evidence is not None}
    assert {key: place.layer_index for key, place in places.items()} == {"pkg:deb/debian/b@1": 1}


def test_where_none_is_attached_nothing_differs(make_policies: Policies, make_case: Cases) -> None:
    """That is for a rule of its own."""
    findings = make_policies(RULES).evaluate(make_case(packages=PACKAGES)).findings
    assert brief(findings) == [("p/attached", "fail", "")]


@pytest.mark.parametrize("state", [SectionState.MISSING, SectionState.PARTIAL])
def test_what_could_not_be_read_is_undecided(make_policies: Policies, make_case: Cases, state: SectionState) -> None:
    """It may be that nothing is attached, and that nothing differs; an inspection of before anybody looked is as little known."""
    gap = Section(state=state, reason="no-sbom")
    case = make_case(packages=PACKAGES, sections={"sbom": gap})
    policies = make_policies(RULES)
    undecided = [(f"p/{rule}", "unknown", "section:sbom") for rule in ("attached", "tool", "missing", "extra")]
    assert brief(policies.evaluate(case).findings) == undecided
    assert case.inventory is not None
    before = {name: section for name, section in case.inventory.sections.items() if name != "sbom"}
    assert brief(policies.evaluate(replace(case, inventory=replace(case.inventory, sections=before))).findings) == undecided


def test_the_difference_rests_on_what_was_found(make_policies: Policies, make_case: Cases) -> None:
    """What only a document lists may be in the database that could not be read."""
    gap = Section(state=SectionState.PARTIAL, reason="layer 1 is damaged")
    findings = make_policies(RULES).evaluate(make_case(packages=PACKAGES, sbom=DIFFERENT, sections={"packages": gap})).findings
    unknown = [finding.rule for finding in findings if finding.action.value == "unknown"]
    assert unknown == ["p/missing", "p/extra"]
