"""OpenVEX, of version 0.2 and as it was before it had one.

Spec: https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md (0.2.0); its 0.0.1 named products and vulnerabilities by texts.
"""

import msgspec

from watcher.advisories.formats.fields import SHOWN, decoded, distinct, entry_of, moment_or_day, vulnerability_id
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.formats.vex_words import JUSTIFICATIONS, STATUSES
from watcher.advisories.record import Malformed, Records, Statement

CONTEXT = "https://openvex.dev/ns"


class _Document(msgspec.Struct, frozen=True, rename={"context": "@context", "id": "@id"}):
    context: str
    statements: list[msgspec.Raw]
    id: str = ""
    author: str = ""
    timestamp: str = ""
    last_updated: str = ""


class _Identifiers(msgspec.Struct, frozen=True):
    purl: str = ""


class _Component(msgspec.Struct, frozen=True, rename={"id": "@id"}):
    id: str = ""
    identifiers: _Identifiers = _Identifiers()


class _Product(_Component, frozen=True):
    subcomponents: list[_Component | str] = []


class _Vulnerability(msgspec.Struct, frozen=True):
    name: str = ""
    aliases: list[str] = []


class _Statement(msgspec.Struct, frozen=True):
    vulnerability: _Vulnerability | str
    status: str
    products: list[_Product | str] = []
    subcomponents: list[_Component | str] = []
    justification: str = ""
    timestamp: str = ""
    last_updated: str = ""


def read(content: bytes, *, name: str) -> Records:
    """One record per statement, and one more for each product whose parts are others."""
    document = decoded(content, _Document, name)
    if not document.context.startswith(CONTEXT):
        raise NotThisFormatError(f"{name}: the context is not {CONTEXT}")
    for index, raw in enumerate(document.statements):
        where = f"{name} statements[{index}]"
        statement = entry_of(raw, _Statement, where)
        if isinstance(statement, Malformed):
            yield statement
            continue
        yield from _statements(statement, document, where)


def _statements(statement: _Statement, document: _Document, where: str) -> Records:
    vulnerability = statement.vulnerability
    named = [vulnerability] if isinstance(vulnerability, str) else [vulnerability.name, *vulnerability.aliases]
    ids = distinct(vulnerability_id(text.strip()) for text in named)
    said = statement.last_updated or statement.timestamp or document.last_updated or document.timestamp
    products: dict[tuple[str, ...], list[str]] = {}
    for product in statement.products:
        own = product.subcomponents if isinstance(product, _Product) else []
        products.setdefault(distinct(map(_named, [*statement.subcomponents, *own])), []).append(_named(product))
    wrong = _wrong(statement, ids, products)
    if wrong:
        yield Malformed(where=where, reason=wrong)
        return
    for inside, names in products.items():
        yield Statement(
            ids=ids,
            products=distinct(names),
            parts=inside,
            status=statement.status,
            justification=statement.justification,
            document=document.id,
            author=document.author,
            said=moment_or_day(said),
        )


def _wrong(statement: _Statement, ids: tuple[str, ...], products: dict[tuple[str, ...], list[str]]) -> str:
    """What keeps a statement from meaning anything, empty when nothing does."""
    if not ids:
        return "no vulnerability"
    if statement.status not in STATUSES:
        return f"{statement.status[:SHOWN]!r} is no status"
    if statement.justification and statement.justification not in JUSTIFICATIONS:
        return f"{statement.justification[:SHOWN]!r} is no justification"
    # A part that has no name would leave a statement about the whole product.
    if not products or not all(all(names) for names in products.values()):
        return "no product, or one without a name"
    if any(not _named(part) for part in statement.subcomponents):
        return "a subcomponent without a name"
    if any(not _named(part) for product in statement.products if isinstance(product, _Product) for part in product.subcomponents):
        return "a subcomponent without a name"
    return ""


def _named(component: _Component | str) -> str:
    """The purl where there is one, else whatever it is called."""
    return component if isinstance(component, str) else component.identifiers.purl or component.id
