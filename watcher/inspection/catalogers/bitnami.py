"""What Bitnami put into its images: a document of SPDX beside each component, or a list of all of them in older ones.

Only its own components are taken from there, by which its binaries are known: whatever else the documents list is looked for where
it is.

Spec: SPDX 2.3, "Package Information"; ECMA-427 (purl), type bitnami
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES, MAX_TEXT, Unread, bounded_text, complete
from watcher.model.inventory import PackageRecord

# A document lists the files of its component; that of PostgreSQL has 200 KB.
MAX_BYTES = 8 * 1024 * 1024

# Commas bound how many values there are, and so what reading them may take.
MAX_COMMAS = 500_000

ROOT = "opt/bitnami/"
LIST = ".bitnami_components.json"
_DOCUMENT = re.compile(r"(?:^|/)\.spdx-[^/]+\.spdx$")
_PURL = "pkg:bitnami/"
_NO_LICENCE = frozenset({"NONE", "NOASSERTION"})


class _Reference(msgspec.Struct, rename="camel"):
    reference_type: Any = None
    reference_locator: Any = None


class _Package(msgspec.Struct, rename="camel"):
    """What is read of one package; all the rest is passed over without being built."""

    name: Any = None
    version_info: Any = None
    license_declared: Any = None
    license_concluded: Any = None
    external_refs: list[_Reference] | None = None


class _Document(msgspec.Struct):
    packages: list[msgspec.Raw]


class _Component(msgspec.Struct):
    version: Any = None
    arch: Any = None
    distro: Any = None


_DOCUMENTS = msgspec.json.Decoder(_Document)
_PACKAGES = msgspec.json.Decoder(_Package)
_LISTS = msgspec.json.Decoder(dict[str, _Component])


class BitnamiCataloger:
    """`.spdx-*.spdx` below `/opt/bitnami`, and `.bitnami_components.json` there."""

    type = "bitnami"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({LIST.encode()}), suffixes=frozenset({b".spdx"}))

    def wants(self, path: str, size: int) -> bool:
        if size > MAX_BYTES or not path.startswith(ROOT):
            return False
        return path == ROOT + LIST or _DOCUMENT.search(path) is not None

    def read(self, path: str, content: bytes) -> Facts:
        if content.count(b",") > MAX_COMMAS:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_COMMAS} values")
        try:
            if path.endswith(LIST):
                records = list(_listed(_LISTS.decode(content)))
            else:
                packages = _DOCUMENTS.decode(content).packages
                if len(packages) > MAX_PACKAGES:
                    raise DatabaseTooLargeError(f"{path}: more than {MAX_PACKAGES} packages")
                records = list(_described(packages))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DamagedDatabaseError(f"{path}: no list of what Bitnami installed") from error
        return complete(path, self.type, records, system=False) if records else ()


def _described(packages: list[msgspec.Raw]) -> Iterator[PackageRecord | Unread]:
    for each in packages:
        if b"bitnami" not in memoryview(each).tobytes():
            continue
        body = _PACKAGES.decode(each)
        found = next(
            (
                locator
                for reference in body.external_refs or ()
                if reference.reference_type == "purl" and (locator := _text(reference.reference_locator, 4)).startswith(_PURL)
            ),
            "",
        )
        if found:
            where, _, qualifiers = found.removeprefix(_PURL).partition("#")[0].partition("?")
            name, _, version = where.partition("@")
            stated = next((text for each in (body.license_declared, body.license_concluded) if (text := _licence(each))), "")
            said = dict(parse_qsl(qualifiers))
            known = unquote(name)
            yield _record(_text(body.name) or known, known, _text(body.version_info) or unquote(version), said, stated)


def _listed(components: Mapping[str, _Component]) -> Iterator[PackageRecord | Unread]:
    for name, each in components.items():
        yield _record(name, name, _text(each.version), {"arch": _text(each.arch), "distro": _text(each.distro)}, "")


def _record(name: str, known: str, version: str, said: Mapping[str, str], licence: str) -> PackageRecord | Unread:
    """`known` is what it is called in package URLs and advisories."""
    called, source, version = _text(name), _text(known), _text(version)
    architecture, distribution = _text(said.get("arch")), _text(said.get("distro"))
    if not called or not source or not version:
        return Unread(f"no name and version of {called!r}")
    return PackageRecord(
        type=BitnamiCataloger.type,
        name=called,
        version=version,
        architecture=architecture,
        source=source,
        source_version=version,
        licenses=(licence,) if licence else (),
        purl=package_url(BitnamiCataloger.type, source, version, architecture=architecture, distribution=distribution),
    )


def _licence(stated: object) -> str:
    text = _text(stated)
    return "" if text in _NO_LICENCE else text


def _text(value: object, times: int = 1) -> str:
    """As long as a text of a record may be, or so many times that."""
    if not isinstance(value, str):
        return ""
    return bounded_text(value) if times == 1 else value[: times * MAX_TEXT]
