"""CSAF 2: which products a vulnerability is in, as their maker says.

Spec: OASIS Common Security Advisory Framework 2.0, sections 3.2.2 (product tree), 3.2.3 (vulnerabilities), 4.5 (profile VEX)
"""

from collections.abc import Iterable, Iterator

import msgspec

from watcher.advisories.formats.csaf_products import Product, ProductTree, products_of
from watcher.advisories.formats.fields import SHOWN, decoded, distinct, entry_of, moment_or_day, vulnerability_id
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.formats.vex_words import AFFECTED, FIXED, JUSTIFICATIONS, NOT_AFFECTED, UNDER_INVESTIGATION
from watcher.advisories.record import Malformed, Records, Statement

# `recommended` is advice, not a status.
_STATUSES = {
    "known_not_affected": NOT_AFFECTED,
    "known_affected": AFFECTED,
    "first_affected": AFFECTED,
    "last_affected": AFFECTED,
    "fixed": FIXED,
    "first_fixed": FIXED,
    "under_investigation": UNDER_INVESTIGATION,
}


class _Publisher(msgspec.Struct, frozen=True):
    name: str = ""


class _Tracking(msgspec.Struct, frozen=True):
    id: str = ""
    current_release_date: str = ""


class _Head(msgspec.Struct, frozen=True):
    csaf_version: str
    publisher: _Publisher = _Publisher()
    tracking: _Tracking = _Tracking()


class _Document(msgspec.Struct, frozen=True):
    document: _Head
    product_tree: ProductTree = ProductTree()
    vulnerabilities: list[msgspec.Raw] = []


class _Id(msgspec.Struct, frozen=True):
    text: str = ""


class _Flag(msgspec.Struct, frozen=True):
    label: str
    product_ids: list[str] = []
    group_ids: list[str] = []


class _Vulnerability(msgspec.Struct, frozen=True):
    cve: str = ""
    ids: list[_Id] = []
    product_status: dict[str, list[str]] = {}
    flags: list[_Flag] = []


def read(content: bytes, *, name: str) -> Records:
    """One record per vulnerability, status, justification and set of parts, with every product they are said of."""
    document = decoded(content, _Document, name)
    if not document.document.csaf_version.startswith("2."):
        raise NotThisFormatError(f"{name}: csaf_version is not 2")
    products = products_of(document.product_tree, name)
    groups = {group.group_id: group.product_ids for group in document.product_tree.product_groups}
    for index, raw in enumerate(document.vulnerabilities):
        where = f"{name} vulnerabilities[{index}]"
        vulnerability = entry_of(raw, _Vulnerability, where)
        if isinstance(vulnerability, Malformed):
            yield vulnerability
            continue
        ids = distinct(vulnerability_id(text.strip()) for text in (vulnerability.cve, *(named.text for named in vulnerability.ids)))
        if not ids:
            yield Malformed(where=where, reason="no CVE id and no other")
            continue
        for said in _said(vulnerability, products, groups):
            if isinstance(said, str):
                yield Malformed(where=where, reason=said)
                continue
            status, justification, parts, names = said
            yield Statement(
                ids=ids,
                products=names,
                parts=parts,
                status=status,
                justification=justification,
                document=document.document.tracking.id,
                author=document.document.publisher.name,
                said=moment_or_day(document.document.tracking.current_release_date),
            )


_Said = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def _said(vulnerability: _Vulnerability, products: dict[str, Product], groups: dict[str, list[str]]) -> Iterator[_Said | str]:
    """Status, justification, parts, products; and what is wrong with a product."""
    justifications = {
        identifier: flag.label
        for flag in vulnerability.flags
        if flag.label in JUSTIFICATIONS
        for identifier in (*flag.product_ids, *_members(flag.group_ids, groups))
    }
    statuses: dict[str, set[str]] = {}
    for written, identifiers in vulnerability.product_status.items():
        for identifier in identifiers if written in _STATUSES else ():
            statuses.setdefault(identifier, set()).add(_STATUSES[written])
    parts: dict[tuple[str, str, str], dict[str, None]] = {}
    for identifier, (status, *others) in statuses.items():
        product = products.get(identifier)
        if product is None:
            yield f"product {identifier[:SHOWN]!r} is not in the product tree"
        elif others:
            # Section 6.1.6 forbids it; to believe either would be a guess.
            yield f"product {identifier[:SHOWN]!r} is said to be {' and '.join(sorted((status, *others)))}"
        else:
            justification = justifications.get(identifier, "") if status == NOT_AFFECTED else ""
            parts.setdefault((status, justification, product.name), {})[product.part] = None
    # Many releases of one distribution contain the same packages: they are one statement with many products.
    names: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (status, justification, name), inside in parts.items():
        # Said of the product itself, it is said of all of it.
        names.setdefault((status, justification, () if "" in inside else tuple(inside)), []).append(name)
    for (status, justification, those), of in names.items():
        yield status, justification, those, tuple(of)


def _members(group_ids: Iterable[str], groups: dict[str, list[str]]) -> Iterator[str]:
    for group in group_ids:
        yield from groups.get(group, ())
