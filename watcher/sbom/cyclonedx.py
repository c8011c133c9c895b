"""An image as CycloneDX 1.6 JSON. Pure.

Spec: https://cyclonedx.org/docs/1.6/json/
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from watcher.kit.version import VERSION
from watcher.sbom.contents import TOOL, Component, Contents

# Names of properties of ours, after CycloneDX's taxonomy: whoever finds one knows whose it is.
_OURS = "registry-watcher"

# An executable that nobody packaged is a program rather than a part of one.
_APPLICATIONS = frozenset({"generic"})


def cyclonedx(contents: Contents) -> bytes:
    """One JSON document. Where the packages of the image are not all known its composition is `incomplete`."""
    image = contents.purl
    components = [_component(each) for each in contents.components()]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": contents.uuid.urn,
        "version": 1,
        "metadata": {
            "timestamp": contents.created,
            "tools": {"components": [{"type": "application", "name": TOOL, "version": VERSION}]},
            "component": {
                "bom-ref": image,
                "type": "container",
                "name": contents.name,
                "version": contents.inventory.digest,
                "purl": image,
                "properties": [*_properties(_of_image(contents))],
            },
        },
        "components": [*_operating_system(contents), *components],
        "dependencies": [*_dependencies(contents, [each["bom-ref"] for each in components])],
        "compositions": [{"aggregate": "complete" if contents.is_complete else "incomplete", "assemblies": [image]}],
    }
    return msgspec.json.encode(document)


def _component(component: Component) -> dict[str, Any]:
    record = component.package.record
    written: dict[str, Any] = {
        "bom-ref": component.key,
        "type": "application" if record.type in _APPLICATIONS else "library",
    }
    if record.maintainer:
        written["publisher"] = record.maintainer
    if component.namespace:
        written["group"] = component.namespace
    written |= {"name": component.name, "version": record.version}
    if component.license:
        written["licenses"] = [{"expression": component.license}]
    return written | {
        "purl": record.purl,
        "evidence": {"occurrences": [{"location": component.location}]},
        "properties": [*_properties(_of_package(component))],
    }


def _of_image(contents: Contents) -> Iterator[tuple[str, str]]:
    inventory = contents.inventory
    yield "platform", inventory.platform
    yield "facts-revision", inventory.facts_revision
    for layer in inventory.layers:
        yield "layer:digest", layer.digest
    yield "shortfall", contents.shortfall


def _of_package(component: Component) -> Iterator[tuple[str, str]]:
    package, record = component.package, component.package.record
    yield "layer:digest", component.layer_digest
    yield "layer:index", str(package.layer)
    yield "from-base", "true" if package.from_base else ""
    yield "location", component.location
    yield "license:location", f"/{record.licensed_in}" if record.licensed_in else ""
    if record.source != record.name or record.source_version != record.version:
        yield "source:name", record.source
        yield "source:version", record.source_version


def _properties(values: Iterator[tuple[str, str]]) -> Iterator[dict[str, str]]:
    return ({"name": f"{_OURS}:{name}", "value": value} for name, value in values if value)


def _operating_system(contents: Contents) -> Iterator[dict[str, Any]]:
    distro = contents.inventory.distro
    if distro.id:
        written = {"bom-ref": f"operating-system:{distro.release}", "type": "operating-system", "name": distro.id}
        said = {"version": distro.version, "description": distro.name}
        yield written | {key: value for key, value in said.items() if value}


def _dependencies(contents: Contents, keys: list[str]) -> Iterator[dict[str, Any]]:
    """The image depends on all that is in it; what that depends on is not known."""
    system = [each["bom-ref"] for each in _operating_system(contents)]
    yield {"ref": contents.purl, "dependsOn": [*system, *keys]}
