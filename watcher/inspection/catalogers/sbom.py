"""Documents that list the packages of something: CycloneDX and SPDX, as JSON.

They are claims of whoever wrote them. What they list is shown as found there, beside what is found itself, and hides nothing of
it; packages of distributions are known by the databases of their tools, and by those alone.

Spec: CycloneDX 1.2 to 1.6, `components`; SPDX 2.2 and 2.3, "Package Information"; ECMA-427 (purl)
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from watcher.inspection.catalogers.protocol import DatabaseTooLargeError, Facts, Selection
from watcher.inspection.catalogers.purl import DISTRIBUTOR_TYPES, package_url
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES, MAX_TEXT, bounded_text, complete
from watcher.model.errors import PermanentError
from watcher.model.inventory import PackageRecord

# A component takes some 500 bytes to 2 KB: 10 000 of them.
MAX_BYTES = 16 * 1024 * 1024

# Commas bound how many values there are, and so what reading them may take: a component has some 15.
MAX_COMMAS = 400_000

_ENDINGS = (".cdx.json", ".spdx.json", ".bom.json", ".sbom.json", "/bom.json", "/sbom.json", ".cdx", ".spdx")

_PURL = re.compile(r"pkg:/*([a-z][a-z0-9.-]*)/([^?#]+?)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)

# What is no package.
IMAGES = frozenset({"oci", "docker"})
# And what the tools of its distribution have in their own database.
_LEFT_OUT = IMAGES | DISTRIBUTOR_TYPES | {"nix", "ebuild"}

_NO_LICENCE = frozenset({"NONE", "NOASSERTION"})
_MAX_LICENCES = 16


class _Licence(msgspec.Struct):
    id: Any = None
    name: Any = None


class _Choice(msgspec.Struct):
    license: _Licence | None = None
    expression: Any = None


class _Component(msgspec.Struct):
    """Of CycloneDX; all the rest is passed over without being built."""

    purl: Any = None
    licenses: list[_Choice] | None = None
    components: list["_Component"] | None = None


class _Reference(msgspec.Struct, rename="camel"):
    reference_type: Any = None
    reference_locator: Any = None


class _Package(msgspec.Struct, rename="camel"):
    """Of SPDX."""

    license_declared: Any = None
    license_concluded: Any = None
    external_refs: list[_Reference] | None = None


class _Document(msgspec.Struct, rename="camel"):
    """Either of them; what it is itself about is not in it."""

    bom_format: Any = None
    spec_version: Any = None
    metadata: Any = None
    spdx_version: Any = None
    creation_info: Any = None
    components: list[_Component] | None = None
    packages: list[_Package] | None = None

    @property
    def format(self) -> str:
        """`CycloneDX 1.6`, `SPDX 2.3`; empty when it is neither."""
        if self.bom_format == "CycloneDX":
            return f"CycloneDX {bounded_text(self.spec_version)}".strip()
        return "" if self.spdx_version is None else bounded_text(self.spdx_version).replace("SPDX-", "SPDX ", 1) or "SPDX"

    @property
    def tool(self) -> str:
        """What made it, as `syft 1.18.1`; empty when it does not say so."""
        tools = self.metadata.get("tools") if isinstance(self.metadata, dict) else None
        tools = tools.get("components") if isinstance(tools, dict) else tools
        for each in tools if isinstance(tools, list) else []:
            if isinstance(each, dict) and (name := bounded_text(each.get("name"))):
                return f"{name} {bounded_text(each.get('version'))}".strip()
        creators = self.creation_info.get("creators") if isinstance(self.creation_info, dict) else None
        made = (bounded_text(each) for each in (creators if isinstance(creators, list) else []))
        return next((each.removeprefix("Tool:").strip() for each in made if each.startswith("Tool:")), "")


_DECODER = msgspec.json.Decoder(_Document)


class NoSbomError(PermanentError):
    """It is no document of CycloneDX or SPDX in JSON."""

    reason = "no-sbom"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPackages:
    """What a document lists, each package once by its purl. `format` is `CycloneDX 1.6` or `SPDX 2.3`, `tool` what made it."""

    format: str
    tool: str
    packages: tuple[PackageRecord, ...]


def listed_packages(content: bytes, where: str, left_out: Collection[str]) -> ListedPackages:
    """Read a document but for packages of the purl types `left_out`. Where it lists none, there are none.

    Raises:
        NoSbomError: it is none.
        DatabaseTooLargeError: it has more than MAX_COMMAS values or MAX_PACKAGES packages.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content[:100].lstrip()[:1] != b"{":
        raise NoSbomError(f"{where} is no JSON object")
    if content.count(b",") > MAX_COMMAS:
        raise DatabaseTooLargeError(f"{where}: more than {MAX_COMMAS} values")
    try:
        document = _DECODER.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NoSbomError(f"{where} is no document of CycloneDX or SPDX") from error
    if not document.format:
        raise NoSbomError(f"{where} is no document of CycloneDX or SPDX")
    found: dict[str, PackageRecord] = {}
    for purl, licences in (*_of_cyclonedx(document.components or []), *_of_spdx(document.packages or [])):
        record = _record(purl, licences, left_out)
        if record is not None:
            found.setdefault(record.purl, record)
            if len(found) > MAX_PACKAGES:
                raise DatabaseTooLargeError(f"{where}: more than {MAX_PACKAGES} packages")
    return ListedPackages(format=document.format, tool=document.tool, packages=tuple(found.values()))


class SbomCataloger:
    """`*.cdx.json`, `*.spdx.json`, `bom.json` and their like. Other forms, as XML and tag-value, are not read."""

    type = "sbom"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".json", b".cdx", b".spdx"}))

    def wants(self, path: str, size: int) -> bool:
        # Bitnami's begin with a dot, and have a cataloger of their own.
        return size <= MAX_BYTES and f"/{path}".endswith(_ENDINGS) and not path.startswith("opt/bitnami/")

    def read(self, path: str, content: bytes) -> Facts:
        try:
            found = listed_packages(content, path, _LEFT_OUT).packages
        except NoSbomError:
            return ()  # not every file that is called so is one
        return complete(path, self.type, found, system=False) if found else ()


def _of_cyclonedx(components: list[_Component]) -> Iterator[tuple[object, list[object]]]:
    """The purl and the licences of each, those within others too."""
    waiting = components[::-1]
    while waiting:
        each = waiting.pop()
        waiting += (each.components or [])[::-1]
        choices = (each.licenses or [])[:_MAX_LICENCES]
        yield each.purl, [one.expression or (one.license and (one.license.id or one.license.name)) for one in choices]


def _of_spdx(packages: list[_Package]) -> Iterator[tuple[object, list[object]]]:
    for each in packages:
        stated = [one for one in (each.license_declared, each.license_concluded) if one and one not in _NO_LICENCE][:1]
        for reference in each.external_refs or []:
            if reference.reference_type == "purl":
                yield reference.reference_locator, stated
                break


def _record(purl: object, licences: list[object], left_out: Collection[str]) -> PackageRecord | None:
    """None of what is no package, or has no version."""
    found = _PURL.fullmatch(purl[: 8 * MAX_TEXT]) if isinstance(purl, str) else None
    if found is None:
        return None
    kind, (where, _, version) = found[1].lower(), found[2].rpartition("@")
    namespace, _, name = where.rpartition("/")
    namespace, name, version = (
        "/".join(bounded_text(unquote(part)) for part in each.split("/")) for each in (namespace, name, version)
    )
    if kind in left_out or len(kind) > MAX_TEXT or not name or not version:
        return None
    within = namespace if kind not in DISTRIBUTOR_TYPES else ""
    called = bounded_text(f"{within}{':' if kind == 'maven' else '/'}{name}" if within else name)
    return PackageRecord(
        type=kind,
        name=called,
        version=bounded_text(version),
        source=re.sub(r"[-_.]+", "-", called).lower() if kind == "pypi" else called,
        source_version=bounded_text(version),
        licenses=tuple(dict.fromkeys(filter(None, map(bounded_text, licences)))),
        purl=package_url(
            kind,
            name,
            bounded_text(version),
            namespace=namespace,
            qualifiers={
                key: bounded_text(value) for key, value in parse_qsl(found[3] or "") if key.isascii() and key.isidentifier()
            },
        ),
    )
