"""`watcher advisories lint-vex`, against what a store holds and against what a scan said."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.doubles.advisory_data import advisory_data, at, osv, until
from tests.doubles.databases import open_database
from tests.doubles.inventories import an_inventory
from tests.doubles.routes import nobody
from tests.doubles.verdicts import IMAGE, MOMENT, SUBJECT, a_verdict
from watcher.cli.app import watcher
from watcher.model.errors import ConfigurationError
from watcher.model.inspection_json import inspection_json
from watcher.model.inventory import Distro, Inventory, Package, PackageRecord
from watcher.model.verdict_json import verdict_json
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts

LIBCURL = PackageRecord(
    type="deb", name="libcurl4", version="7.0-1", source="curl", purl="pkg:deb/debian/libcurl4@7.0-1?arch=amd64&distro=debian-12"
)
PRODUCT = f"pkg:oci/app@{IMAGE.replace(':', '%3A')}?repository_url=registry.example.com/team"


def inventory() -> Inventory:
    packages = (Package(record=LIBCURL, path="var/lib/dpkg/status", layer=0),)
    return replace(an_inventory(), digest=IMAGE, packages=packages, distro=Distro(id="debian", version="12", known=True))


def statement(product: str, *parts: str, identifier: str = "CVE-2026-1000", **said: Any) -> dict[str, Any]:
    part = {"subcomponents": [{"@id": each} for each in parts]} if parts else {}
    return {"vulnerability": {"name": identifier}, "products": [{"@id": product, **part}], "status": "affected", **said}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, advisories, and a store with one image."""
    (tmp_path / "watcher.yaml").write_text(f"store: {{url: 'sqlite:///{tmp_path}/watcher.db'}}\n")
    advisory_data(tmp_path, osv("CVE-2026-1000", at("Debian:12", "curl", *until("8.0-1"))))

    async def fill() -> None:
        async with open_database(tmp_path / "watcher.db") as database:
            await StoredVerdicts(database, lambda: MOMENT).record([Judged(verdict=a_verdict(), inventory=inventory())], nobody)

    asyncio.run(fill())
    return tmp_path


def linted(folder: Path, *statements: dict[str, Any], options: tuple[str, ...] = ()) -> Result:
    document = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/1", "statements": list(statements)}
    (folder / "vex.json").write_text(json.dumps(document))
    command = ["advisories", "-c", str(folder / "watcher.yaml"), "lint-vex", str(folder / "vex.json"), *options]
    return CliRunner().invoke(watcher, command, standalone_mode=False)


def scanned(folder: Path) -> tuple[str, ...]:
    """What `watcher scan -o json` would have printed of the image."""
    line = {"image": "x", "verdict": verdict_json(a_verdict()), "inspection": inspection_json(inventory())}
    (folder / "scan.json").write_text(json.dumps(line) + "\n")
    return ("--inspection", str(folder / "scan.json"))


@pytest.mark.parametrize("held", ["stored", "inspected"])
@pytest.mark.parametrize("product", ["pkg:deb/debian/libcurl4", PRODUCT, f"{SUBJECT.registry}/{SUBJECT.repository}:v1"])
def test_a_statement_that_does_something_is_silent(folder: Path, product: str, held: str) -> None:
    """About a package, about an image, and about a package of an image."""
    parts = () if product.startswith("pkg:deb") else ("pkg:deb/debian/libcurl4",)
    options = scanned(folder) if held == "inspected" else ()
    result = linted(folder, statement(product, *parts), statement(product), options=options)
    assert (result.return_value, result.output) == (0, "2 statements, 0 would do nothing\n")


@pytest.mark.parametrize("held", ["stored", "inspected"])
def test_a_near_miss_is_shown(folder: Path, held: str) -> None:
    """With what is wrong and what is nearly it; the command ends with 1."""
    options = scanned(folder) if held == "inspected" else ()
    result = linted(folder, statement("pkg:deb/ubuntu/libcurl4"), options=options)
    assert result.return_value == 1
    remark, total = result.output.splitlines()
    assert remark.split("\t") == [
        f"{folder}/vex.json statement 1",
        "CVE-2026-1000 affected",
        "matches-nothing",
        "no package and no image that is held",
        f"{LIBCURL.purl} is held: debian/libcurl4, not ubuntu/libcurl4",
    ]
    assert total == "1 statement, 1 would do nothing"


def test_a_remark_is_one_json_object(folder: Path) -> None:
    """A line each, for other programs."""
    result = linted(folder, statement("pkg:deb/debian/libcurl4", identifier="CVE-2026-1001"), options=("-o", "json"))
    (line,) = result.output.splitlines()
    assert json.loads(line)["kind"] == "unknown-vulnerability"
    assert json.loads(line)["near"] == ["CVE-2026-1000"]


def test_a_missing_justification_alone_is_no_failure(folder: Path) -> None:
    """The statement does something."""
    result = linted(folder, statement("pkg:deb/debian/libcurl4", status="not_affected"))
    assert result.return_value == 0
    assert "unjustified" in result.output


@pytest.mark.parametrize("text", ["{", '{"id": "CVE-2026-1"}', '{"@context": "https://openvex.dev/ns", "statements": [{}]}'])
def test_what_is_no_statement_is_remarked_on(folder: Path, text: str) -> None:
    """It would do nothing either."""
    (folder / "bad.json").write_text(text)
    command = ["advisories", "-c", str(folder / "watcher.yaml"), "lint-vex", str(folder / "bad.json")]
    result = CliRunner().invoke(watcher, command, standalone_mode=False)
    assert result.return_value == 1
    assert "malformed" in result.output


def test_without_advisories_nothing_can_be_said(folder: Path) -> None:
    """And what an inspection is must be one."""
    (folder / "scan.json").write_text("{}\n")
    assert isinstance(linted(folder, options=("--inspection", str(folder / "scan.json"))).exception, ConfigurationError)
    (folder / "advisories.db").unlink()
    assert isinstance(linted(folder).exception, ConfigurationError)
