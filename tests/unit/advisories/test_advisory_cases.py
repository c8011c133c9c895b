"""Packages and advisories that somebody held against each other by hand, each with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.doubles.inventories import an_inventory
from watcher.advisories.importing import import_paths
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.vulnerabilities import Matched, match
from watcher.kit.clock import utc_now
from watcher.model.inventory import Distro, Package, PackageRecord

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "advisory-cases"
INCOMPARABLE = "cannot be compared"

Case = dict[str, Any]


def cases() -> list[Any]:
    """(file and number of the group, the case with what its group shares), for each."""
    return [
        pytest.param(f"{path.stem}-{number}", group["package"] | case, id=f"{path.stem}-{number}-{case['version']}-{place}")
        for path in sorted(GOLDEN.glob("*.yaml"))
        for number, group in enumerate(yaml.safe_load(path.read_text(encoding="utf-8")))
        for place, case in enumerate(group["cases"])
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AdvisoryFile]:
    """The advisories of each group, imported."""
    folder = tmp_path_factory.mktemp("cases")
    opened = {}
    for path in sorted(GOLDEN.glob("*.yaml")):
        for number, group in enumerate(yaml.safe_load(path.read_text(encoding="utf-8"))):
            name = f"{path.stem}-{number}"
            records = folder / f"{name}.jsonl"
            records.write_text("".join(f"{json.dumps(record)}\n" for record in group["advisories"]))
            report = import_paths([records], folder / f"{name}.db", now=utc_now())
            assert not report.malformed
            opened[name] = AdvisoryFile(folder / f"{name}.db")
    return opened


def matched(data: AdvisoryFile, case: Case) -> Matched:
    """What is said of an image that holds this one package."""
    identifier, _, version = case.get("distro", "").partition(" ")
    record = PackageRecord(
        type=case["type"],
        name=case["name"],
        version=case["version"],
        source=case.get("source", ""),
        source_version=str(case.get("source_version") or (case["version"] if case.get("source") else "")),
        purl=f"pkg:{case['type']}/{case['name']}@{case['version']}" + (f"?rpmmod={case['module']}" if "module" in case else ""),
    )
    distro = Distro(id=identifier, version=version, known=bool(identifier))
    return match(data, an_inventory(distro=distro, packages=(Package(record=record, path="", layer=0),)))


@pytest.mark.parametrize(("group", "case"), cases())
def test_a_package_is_found_for_the_reason_beside_it(data: dict[str, AdvisoryFile], group: str, case: Case) -> None:
    """By the id that people know, with the versions that mend what is installed; or it is not found."""
    found, reason = matched(data[group], case), case["because"]
    expected = case.get("finds")
    if expected == INCOMPARABLE:
        assert found.incomparable, reason
        assert not found.found
        return
    assert not found.incomparable
    assert [known.id for known, _ in found.found] == ([expected] if expected else []), reason
    if expected:
        hit = found.found[0][0].hit
        assert list(hit.fixed) == case.get("fixed", []), reason
        assert hit.subscription is (case.get("state") == "subscription")


def test_every_ecosystem_has_cases_that_are_found_and_cases_that_are_not() -> None:
    """What nobody held against anything is not tested."""
    kinds = {(param.values[1]["type"], bool(param.values[1].get("finds"))) for param in cases()}
    types = {"deb", "apk", "rpm", "pypi", "npm", "maven", "golang", "cargo", "gem", "nuget", "composer"}
    assert kinds == {(each, found) for each in types for found in (True, False)}
