"""What is known of an image beyond its bytes, from whoever brings it to the verdict that rests on it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.gatherers import WrittenGatherer, knowing
from tests.doubles.image_sources import MemoryImages
from tests.doubles.inventories import an_inventory
from tests.doubles.judges import WrittenInspector, an_image
from tests.doubles.verdicts import MOMENT, SUBJECT
from tests.doubles.virtual_time import virtual_time
from watcher.evaluation.evaluator import ProcessEvaluator
from watcher.evaluation.policies.loading import load_policies
from watcher.model.errors import RegistryUnavailableError
from watcher.model.knowledge import Knowledge
from watcher.model.verdict import INSPECTED, SECTIONS, Outcome, SectionState, Verdict
from watcher.pipeline.gathering import MAX_DOCUMENT_BYTES, Gathering
from watcher.pipeline.judging import Judging, Task

POLICY = """
apiVersion: watcher/v1
kind: Policy
metadata: {name: p, version: 1.0.0}
rules:
  - {id: grave, each: vulnerabilities as v, when: v.severity >= Severity.HIGH, message: '{{v.id}} in {{v.package.name}}'}
  - {id: signed, when: '!provenance.attestations.exists(a, a.verified)'}
"""
GRAVE = {"id": "CVE-2026-1", "severity": "HIGH", "package": {"name": "bash", "purl": "pkg:deb/debian/bash@1"}}
SLIGHT = {"id": "CVE-2026-2", "severity": "LOW", "package": {"name": "bash", "purl": "pkg:deb/debian/bash@1"}}
SIGNED = {"attestations": [{"verified": True}]}


@pytest.fixture
async def evaluator(tmp_path: Path) -> AsyncIterator[ProcessEvaluator]:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY)
    async with ProcessEvaluator(load_policies((), [path])) as opened:
        yield opened


def advisories(**changes: Any) -> WrittenGatherer:
    return WrittenGatherer(name="advisories", sections=("vulnerabilities",), **changes)


def attestations(**changes: Any) -> WrittenGatherer:
    return WrittenGatherer(name="attestations", sections=("provenance",), **changes)


async def judged(evaluator: ProcessEvaluator, *gatherers: WrittenGatherer) -> Verdict:
    """The verdict of an image about which these know something."""
    images = MemoryImages()
    manifest = images.add(an_image())
    judging = Judging(
        inspector=WrittenInspector(), gathering=Gathering(gatherers=gatherers), evaluator=evaluator, engine_version="1"
    )
    (found,) = await judging.judge(Task(id="v-1", subject=SUBJECT, tag=None, now=MOMENT), images, manifest)
    return found.verdict


def said(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.action.value, finding.key) for finding in verdict.findings]


async def test_a_rule_is_decided_by_what_was_gathered(evaluator: ProcessEvaluator) -> None:
    """The finding names it, the section is complete, and the verdict says by which data."""
    known = advisories(knowledge=knowing("vulnerabilities", revision="2026-11-28", vulnerabilities=[GRAVE, SLIGHT]))
    verdict = await judged(evaluator, known, attestations(knowledge=knowing("provenance", provenance=SIGNED)))
    assert said(verdict) == [("p/grave", "fail", "CVE-2026-1@pkg:deb/debian/bash@1")]
    assert verdict.findings[0].message == "CVE-2026-1 in bash"
    assert verdict.sections["vulnerabilities"].state is SectionState.COMPLETE
    assert verdict.data_revision == "advisories:2026-11-28"
    assert [subject for subject, _ in known.asked] == [SUBJECT]


async def test_an_image_about_which_nothing_bad_is_known_passes(evaluator: ProcessEvaluator) -> None:
    """What was gathered and is harmless leaves nothing open."""
    known = (
        advisories(knowledge=knowing("vulnerabilities", revision="1", vulnerabilities=[SLIGHT])),
        attestations(knowledge=knowing("provenance", revision="2", provenance=SIGNED)),
    )
    verdict = await judged(evaluator, *known)
    assert (verdict.outcome, verdict.data_revision) == (Outcome.PASS, "advisories:1 attestations:2")


async def test_without_gatherers_every_section_of_theirs_is_not_configured(evaluator: ProcessEvaluator) -> None:
    """And a rule that reads one is undecided."""
    verdict = await judged(evaluator)
    gathered = [name for name in SECTIONS if name not in INSPECTED]
    assert {verdict.sections[name].state for name in gathered} == {SectionState.NOT_CONFIGURED}
    assert (verdict.outcome, verdict.data_revision) == (Outcome.UNKNOWN, "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RegistryUnavailableError("the database is away"), "advisories: the database is away"),
        (KeyError("x"), "advisories: KeyError"),
    ],
)
async def test_a_gatherer_that_fails_leaves_its_sections_missing(
    evaluator: ProcessEvaluator, error: Exception, reason: str
) -> None:
    """Its rules are unknown, with the reason, and never pass; what others brought still counts."""
    verdict = await judged(evaluator, advisories(error=error), attestations(knowledge=knowing("provenance", provenance=SIGNED)))
    assert said(verdict) == [("p/grave", "unknown", "section:vulnerabilities")]
    assert verdict.outcome is Outcome.UNKNOWN
    section = verdict.sections["vulnerabilities"]
    assert (section.state, section.reason) == (SectionState.MISSING, reason)
    assert verdict.sections["provenance"].state is SectionState.COMPLETE


async def test_what_cannot_be_read_is_missing(evaluator: ProcessEvaluator) -> None:
    """A field that the document does not have spoils all that this gatherer brought, and nothing else."""
    wrong = knowing("vulnerabilities", vulnerabilities=[GRAVE, {"identifier": "CVE"}])
    verdict = await judged(evaluator, advisories(knowledge=wrong), attestations(knowledge=knowing("provenance", provenance=SIGNED)))
    assert said(verdict) == [("p/grave", "unknown", "section:vulnerabilities")]
    assert "identifier" in verdict.sections["vulnerabilities"].reason


@virtual_time
async def test_a_gatherer_that_takes_too_long_is_cut_off() -> None:
    """Its sections are missing; the others, asked at the same time, have had theirs all the while."""
    slow = advisories(seconds=3600)
    quick = attestations(seconds=6, knowledge=knowing("provenance", revision="r"))
    known = await Gathering(gatherers=(slow, quick), timeout_seconds=7).known(SUBJECT, an_inventory())
    assert asyncio.get_running_loop().time() == 7
    section = known[0].sections["vulnerabilities"]
    assert (section.state, section.reason) == (SectionState.MISSING, "advisories: no answer within 7 s")
    assert known[1].data_revision == "attestations:r"


async def test_a_gatherer_answers_for_its_own_sections_alone() -> None:
    """What it leaves out is missing; what it says of another's is not heard."""
    both = WrittenGatherer(name="both", sections=("vulnerabilities", "malware"), knowledge=knowing("malware", "files", "drift"))
    (known,) = await Gathering(gatherers=(both,)).known(SUBJECT, an_inventory())
    assert {name: section.state.value for name, section in known.sections.items()} == {
        "vulnerabilities": "missing",
        "malware": "complete",
    }


async def test_what_is_gathered_has_a_bound() -> None:
    """More than that is not handed on."""
    flood = advisories(knowledge=Knowledge(document=b" " * (MAX_DOCUMENT_BYTES + 1)))
    (known,) = await Gathering(gatherers=(flood,)).known(SUBJECT, an_inventory())
    assert known.document == b"{}"
    assert "at most" in known.sections["vulnerabilities"].reason


@pytest.mark.parametrize("section", ["vulnerabilities", "packages"])
def test_a_section_has_one_who_answers_for_it(section: str) -> None:
    """Two gatherers, or a gatherer and the inspection, could only contradict each other."""
    second = WrittenGatherer(name="second", sections=(section,))
    with pytest.raises(ValueError, match=r"of second is that of (advisories|inspection)"):
        Gathering(gatherers=(advisories(), second))
