"""An image as SPDX 2.3 JSON. Pure.

Spec: https://spdx.github.io/spdx-spec/v2.3/
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from watcher.kit.version import VERSION
from watcher.sbom.contents import TOOL, Component, Contents

_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_UNKNOWN = "NOASSERTION"
_IMAGE = "SPDXRef-Image"


def spdx(contents: Contents) -> bytes:
    """One JSON document. Where the packages of the image are not all known its comment says why."""
    components = [*contents.components()]
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": contents.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{TOOL}-{contents.uuid}",
        "creationInfo": {"created": contents.created, "creators": [f"Tool: {TOOL}-{VERSION}"]},
        "packages": [_image(contents), *_operating_system(contents), *map(_package, components)],
        "relationships": [*_relationships(contents, components)],
    }
    if contents.shortfall:
        document["comment"] = f"Packages may be missing: {contents.shortfall}"
    if references := sorted({name for each in components for name in _REFERENCE.findall(each.license)}):
        document["hasExtractedLicensingInfos"] = [*map(_extracted, references)]
    return msgspec.json.encode(document)


def _image(contents: Contents) -> dict[str, Any]:
    algorithm, _, value = contents.inventory.digest.partition(":")
    written = _entry(_IMAGE, contents.name, contents.inventory.digest, "CONTAINER", contents.purl)
    checksum = {"algorithm": algorithm.upper(), "checksumValue": value}
    return written | {"checksums": [checksum]}


def _operating_system(contents: Contents) -> Iterator[dict[str, Any]]:
    distro = contents.inventory.distro
    if distro.id:
        yield _entry("SPDXRef-OperatingSystem", distro.id, distro.version, "OPERATING-SYSTEM", "")


def _package(component: Component) -> dict[str, Any]:
    package, record = component.package, component.package.record
    name = f"{component.namespace}/{component.name}" if component.namespace and record.type != "maven" else record.name
    written = _entry(_identifier(component), name, record.version, "", record.purl)
    where = [f"{component.location} of layer {package.layer} ({component.layer_digest})"]
    where += [f"licences in /{record.licensed_in}"] if record.licensed_in else []
    written |= {"sourceInfo": ", ".join(where), "licenseDeclared": component.license or _UNKNOWN}
    if record.maintainer:
        written["originator"] = f"Organization: {record.maintainer}"
    return written


def _entry(identifier: str, name: str, version: str, purpose: str, purl: str) -> dict[str, Any]:
    """What every package of the document has."""
    written: dict[str, Any] = {"name": name, "SPDXID": identifier}
    if version:
        written["versionInfo"] = version
    if purpose:
        written["primaryPackagePurpose"] = purpose
    if purl:
        reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        written["externalRefs"] = [reference]
    return written | {
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _extracted(reference: str) -> dict[str, str]:
    name = reference.removeprefix("LicenseRef-")
    return {"licenseId": reference, "name": name, "extractedText": f"The package calls its licence {name}; its text is not kept."}


def _relationships(contents: Contents, components: list[Component]) -> Iterator[dict[str, str]]:
    """The document is about the image, which contains all the others."""
    yield _relationship("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE)
    for system in _operating_system(contents):
        yield _relationship(_IMAGE, "CONTAINS", system["SPDXID"])
    for component in components:
        yield _relationship(_IMAGE, "CONTAINS", _identifier(component))


def _relationship(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _identifier(component: Component) -> str:
    return f"SPDXRef-Package-{component.key}"
