"""What attached SBOMs list, held against what was found in the image. Pure.

A document is a claim of whoever attached it: it adds nothing to what was found, and takes nothing from it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from watcher.inspection.catalogers.purl import DISTRIBUTOR_TYPES
from watcher.inspection.image.sections import COMPLETE
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.inventory import AttachedSboms, Package, PackageRecord, SbomDocument
from watcher.model.masking import MASKED
from watcher.model.verdict import Section, SectionState

# As many as are listed of everything else that is for people to look through.
MAX_EXTRA = 10_000

_PURL = re.compile(r"pkg:([^/]+)/([^?#]*)@([^@?#]*)(?:[?#].*)?", re.DOTALL)
_EPOCH = re.compile(r"[0-9]+:")

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSboms:
    """The documents that are attached, and the packages that they list. `section` says whether there may be others."""

    documents: tuple[SbomDocument, ...] = ()
    packages: tuple[PackageRecord, ...] = ()
    section: Section = COMPLETE


def compared(found: FoundSboms, packages: Sequence[Package], rules: SecretRules) -> tuple[AttachedSboms, Section]:
    """The difference, and how far it can be relied on. What `rules` take for a credential is not shown."""
    if not found.documents:
        return AttachedSboms(), found.section
    listed = {key_of(record.purl): record for record in found.packages}
    observed = {package.record.purl: key_of(package.record.purl) for package in packages if package.record.purl}
    missing = tuple(purl for purl, key in observed.items() if key not in listed)
    there = set(observed.values())
    extra = sorted((_bare(record) for key, record in listed.items() if key not in there), key=lambda each: each.purl)
    shown = AttachedSboms(documents=found.documents, missing=missing, extra=tuple(extra[:MAX_EXTRA]))
    section = found.section
    if len(extra) > MAX_EXTRA and section.state is SectionState.COMPLETE:
        reason = f"attached SBOMs list {len(extra)} packages that were not found, of which {MAX_EXTRA} are kept"
        section = Section(state=SectionState.PARTIAL, reason=reason, skipped=("packages that were not found",))
    return _without_secrets(shown, rules), section


def key_of(purl: str) -> Key:
    """Type, name and version as they are the same for everybody.

    Tools differ in what they write besides: the distribution as namespace or qualifier, an epoch in the version or as a qualifier,
    the case of a name and the `v` of a version.

    Spec: ECMA-427, the rules of each type.
    """
    found = _PURL.fullmatch(purl)
    if found is None:
        return "", purl, ""
    kind, name, version = found[1].lower(), unquote(found[2]).strip("/").lower(), unquote(found[3])
    if kind in DISTRIBUTOR_TYPES:
        name, version = name.rpartition("/")[2], _EPOCH.sub("", version, count=1) if _EPOCH.match(version) else version
    elif kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name)
    elif kind in {"golang", "composer"}:
        version = version.removeprefix("v")
    return kind, name, version


def _bare(record: PackageRecord) -> PackageRecord:
    """Without what a document can say besides: an address with a password in it, for one."""
    purl = re.split(r"[?#]", record.purl, maxsplit=1)[0]
    return PackageRecord(type=record.type, name=record.name, version=record.version, purl=purl)


def _without_secrets(sboms: AttachedSboms, rules: SecretRules) -> AttachedSboms:
    """Nobody has searched these texts, unlike those of layers."""
    tools = tuple(replace(each, tool=_shown(each.tool, rules)) for each in sboms.documents)
    texts = [(each.name, each.version, each.purl) for each in sboms.extra]
    if not _found(("\n".join(text) for text in texts), rules):
        return replace(sboms, documents=tools)
    hidden = [_found(text, rules) for text in texts]
    extra = tuple(_masked(each) if hide else each for each, hide in zip(sboms.extra, hidden, strict=True))
    return replace(sboms, documents=tools, extra=extra)


def _masked(record: PackageRecord) -> PackageRecord:
    return PackageRecord(type=record.type, name=MASKED, version=MASKED)


def _shown(text: str, rules: SecretRules) -> str:
    return MASKED if _found((text,), rules) else text


def _found(texts: Iterable[str], rules: SecretRules) -> bool:
    return bool(rules.find("\n".join(texts), "sbom"))
