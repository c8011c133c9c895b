"""Files for enforcers ask for what the watcher attaches, and the page says which is which."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.doubles.verdicts import a_verdict
from watcher.model.verdict import Outcome
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.publishing.statement import SUMMARY_TYPE, summary_bytes

PROJECT = Path(__file__).parents[2]
FILES = PROJECT / "deploy" / "enforce"
PAGE = (PROJECT / "docs" / "how-to" / "enforce.md").read_text()


def documents(name: str) -> Mapping[str, Any]:
    """By kind."""
    return {each["kind"]: each["spec"] for each in yaml.safe_load_all((FILES / name).read_text())}


@pytest.fixture
def statement() -> Mapping[str, Any]:
    """What an image that passed is attested with."""
    verdict = replace(a_verdict(), outcome=Outcome.PASS, findings=())
    said: Mapping[str, Any] = json.loads(summary_bytes(verdict, [verdict.subject.digest], "urn:registry-watcher"))
    return said


def rows() -> Iterator[tuple[str, str]]:
    """File and settings, as the page has them."""
    yield from re.findall(r"\(\.\./\.\./deploy/enforce/([\w.-]+)\) \|[^|]*\| `([^`]+)` \|", PAGE)


def test_the_page_names_every_file_and_settings_that_there_are() -> None:
    assert {name for name, _ in rows()} == {path.name for path in FILES.iterdir()}
    fields = {each.name for each in msgspec.structs.fields(ReferrerPublisherSettings)}
    assert {settings.partition(":")[0] for _, settings in rows()} <= fields


def test_kyverno_asks_for_a_summary_that_says_passed(statement: Mapping[str, Any]) -> None:
    """In either of its policies; in the old one, for one that is not old."""
    policy = documents("kyverno-imagevalidatingpolicy.yaml")["ImageValidatingPolicy"]
    assert [each["intoto"]["type"] for each in policy["attestations"]] == [statement["predicateType"]] == [SUMMARY_TYPE]
    asked = " ".join(each["expression"] for each in policy["validations"])
    assert f"predicate.verificationResult == '{statement['predicate']['verificationResult']}'" in asked
    assert "verifyImageSignatures" not in asked
    (rule,) = documents("kyverno-clusterpolicy.yaml")["ClusterPolicy"]["rules"]
    (verified,) = rule["verifyImages"]
    assert verified["type"] == "Cosign"
    (attestation,) = verified["attestations"]
    assert attestation["type"] == statement["predicateType"]
    result, age = attestation["conditions"][0]["all"]
    assert (result["key"], result["value"]) == ("{{ verificationResult }}", statement["predicate"]["verificationResult"])
    assert "timeVerified" in age["key"]
    assert "timeVerified" in statement["predicate"]


def test_policy_controller_asks_for_a_summary_that_says_passed(statement: Mapping[str, Any]) -> None:
    (authority,) = documents("policy-controller.yaml")["ClusterImagePolicy"]["authorities"]
    (attestation,) = authority["attestations"]
    assert attestation["predicateType"] == statement["predicateType"]
    wanted = re.findall(r'^\s*(\w+):\s+"([^"]+)"$', attestation["policy"]["data"], re.MULTILINE)
    assert dict(wanted) == {
        "predicateType": statement["predicateType"],
        "verificationResult": statement["predicate"]["verificationResult"],
    }
    assert "ctlog" not in authority


def test_ratify_verifies_signatures_of_the_notary_project() -> None:
    """By a trust store that has our certificate and no other."""
    ratify = documents("ratify.yaml")
    assert ratify["Verifier"]["artifactTypes"] == "application/vnd.cncf.notary.signature"
    assert ratify["Verifier"]["parameters"]["verificationCertStores"] == {"ca": {"verdicts": ["registry-watcher"]}}
    (verifier,) = documents("ratify-2.yaml")["Executor"]["verifiers"]
    assert verifier["type"] == "notation"
