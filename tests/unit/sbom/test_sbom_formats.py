"""An inventory in the formats of other tools: valid by their schemas, read by those tools, and the same for the same facts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from tests.doubles.inventories import BOTTOM, a_package, an_inventory
from watcher.model.inventory import Distro, Inventory, Package, PackageRecord
from watcher.model.verdict import Section, SectionState
from watcher.sbom.contents import NO_TIME, Contents
from watcher.sbom.formats import FORMATS

SYFT = Path(sys.executable).with_name("syft")
ODD = "LicenseRef-public-domain"


def a_record(kind: str, name: str, version: str, purl: str, path: str, **fields: Any) -> Package:
    return Package(record=PackageRecord(type=kind, name=name, version=version, purl=purl, **fields), path=path, layer=1)


INVENTORY = an_inventory(
    packages=(
        a_package("bash", "5.2", licenses=("GPL-3.0-or-later",), licensed_in="usr/share/doc/bash/copyright", maintainer="Matthias"),
        a_package("libc6", "2.36", source="glibc", licenses=("MIT OR GPL-2.0-only", ODD)),
        a_record("maven", "org.slf4j:slf4j-api", "2.0.9", "pkg:maven/org.slf4j/slf4j-api@2.0.9", "app/app.jar!/BOOT-INF/lib/a.jar"),
        a_record("npm", "@types/node", "20.1.0", "pkg:npm/%40types/node@20.1.0", "srv/node_modules/@types/node/package.json"),
        a_record("golang", "golang.org/x/net", "v0.17.0", "pkg:golang/golang.org/x/net@v0.17.0", "usr/bin/tool"),
        a_record("npm", "left-pad", "1.3.0", "pkg:npm/left-pad@1.3.0", "a/node_modules/left-pad/package.json"),
        a_record("npm", "left-pad", "1.3.0", "pkg:npm/left-pad@1.3.0", "b/node_modules/left-pad/package.json"),
    )
)
COUNT = len(INVENTORY.packages)


def written(name: str, inventory: Inventory = INVENTORY, repository: str = "registry.example.com/shop/App") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FORMATS[name].write(Contents(inventory=inventory, repository=repository)))
    return document


@pytest.mark.parametrize("inventory", [INVENTORY, an_inventory(packages=(), distro=Distro(), layers=())])
def test_cyclonedx_is_valid(inventory: Inventory) -> None:
    """By the official schema of 1.6, which allows nothing that it does not know."""
    document = FORMATS["cyclonedx"].write(Contents(inventory=inventory)).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None


@pytest.mark.parametrize("inventory", [INVENTORY, an_inventory(packages=(), distro=Distro(), layers=())])
def test_spdx_is_valid(inventory: Inventory, tmp_path: Path) -> None:
    """By the tools of SPDX, which parse every field and check every licence expression."""
    path = tmp_path / "image.spdx.json"
    path.write_bytes(FORMATS["spdx"].write(Contents(inventory=inventory)))
    document = parse_file(str(path))
    assert [str(each.validation_message) for each in validate_full_spdx_document(document, "SPDX-2.3")] == []
    assert len(document.packages) == len(inventory.packages) + 1 + bool(inventory.distro.id)


@pytest.mark.parametrize("name", FORMATS)
def test_syft_reads_what_is_written(name: str, tmp_path: Path) -> None:
    """Every package with its version and purl, in the form of another program."""
    path = tmp_path / "sbom.json"
    path.write_bytes(FORMATS[name].write(Contents(inventory=INVENTORY)))
    command = [str(SYFT), "convert", "-q", str(path), "-o", "syft-json"]
    environment = {"HOME": str(tmp_path), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    converted = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    found = {(each["version"], each["purl"]) for each in json.loads(converted.stdout)["artifacts"]}
    assert found >= {(each.record.version, each.record.purl) for each in INVENTORY.packages}


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_facts_are_the_same_bytes(name: str) -> None:
    """And other facts, or another name, are another document."""
    contents = Contents(inventory=INVENTORY, repository="a/b")
    assert FORMATS[name].write(contents) == FORMATS[name].write(replace(contents))
    others = [replace(contents, repository="a/c"), replace(contents, inventory=replace(INVENTORY, facts_revision="sha256:5"))]
    assert len({contents.uuid, *(each.uuid for each in others)}) == 3


def test_where_a_package_is_goes_along() -> None:
    """Layer and path, and where its licence was read; those of an archive in an archive as well."""
    components = {each["name"]: each for each in written("cyclonedx")["components"]}
    bash = {each["name"].removeprefix("registry-watcher:"): each["value"] for each in components["bash"]["properties"]}
    assert bash == {
        "layer:digest": BOTTOM,
        "layer:index": "0",
        "from-base": "true",
        "location": "/var/lib/dpkg/status",
        "license:location": "/usr/share/doc/bash/copyright",
    }
    assert components["slf4j-api"]["evidence"] == {"occurrences": [{"location": "/app/app.jar!/BOOT-INF/lib/a.jar"}]}
    assert (components["slf4j-api"]["group"], components["node"]["group"]) == ("org.slf4j", "@types")
    assert components["libc6"]["licenses"] == [{"expression": f"(MIT OR GPL-2.0-only) AND {ODD}"}]
    packages = {each["name"]: each for each in written("spdx")["packages"]}
    assert packages["org.slf4j:slf4j-api"]["sourceInfo"].startswith("/app/app.jar!/BOOT-INF/lib/a.jar of layer 1 (sha256:bbb")
    assert packages["libc6"]["licenseDeclared"] == f"(MIT OR GPL-2.0-only) AND {ODD}"


def test_each_package_has_a_name_of_its_own() -> None:
    """Two that are equal and in different places are two; the image depends on all of them."""
    document = written("cyclonedx")
    references = [each["bom-ref"] for each in document["components"]]
    assert len(set(references)) == len(references) == COUNT + 1
    assert document["dependencies"] == [{"ref": document["metadata"]["component"]["bom-ref"], "dependsOn": references}]
    assert len({each["SPDXID"] for each in written("spdx")["packages"]}) == COUNT + 2


def test_the_image_has_its_name() -> None:
    """As a purl of its type, and as its digest where no registry has it."""
    component = written("cyclonedx")["metadata"]["component"]
    digest = INVENTORY.digest.replace(":", "%3A")
    assert component["name"] == "registry.example.com/shop/App"
    assert component["purl"] == f"pkg:oci/app@{digest}?arch=amd64&os=linux&repository_url=registry.example.com/shop/app"
    assert written("spdx", repository="")["name"] == INVENTORY.digest


def test_packages_that_may_be_missing_are_said_to_be() -> None:
    """A list that is not all of it never looks as if it were."""
    assert written("cyclonedx")["compositions"][0]["aggregate"] == "complete"
    assert "comment" not in written("spdx")
    partial = Section(state=SectionState.PARTIAL, reason="layer 0 is damaged")
    doubtful = an_inventory(sections=INVENTORY.sections | {"packages": partial})
    document = written("cyclonedx", doubtful)
    assert document["compositions"][0]["aggregate"] == "incomplete"
    assert {"name": "registry-watcher:shortfall", "value": "layer 0 is damaged"} in document["metadata"]["component"]["properties"]
    assert written("spdx", doubtful)["comment"] == "Packages may be missing: layer 0 is damaged"


@pytest.mark.parametrize(
    ("stated", "written_as"),
    [("2026-03-04T05:06:07.89+02:00", "2026-03-04T03:06:07Z"), ("", NO_TIME), ("yesterday", NO_TIME)],
)
def test_the_time_is_that_of_the_image(stated: str, written_as: str) -> None:
    """Never that of the writing, which would make two documents of one."""
    inventory = an_inventory(config=replace(INVENTORY.config, created=stated))
    assert written("cyclonedx", inventory)["metadata"]["timestamp"] == written_as
    assert written("spdx", inventory)["creationInfo"]["created"] == written_as
