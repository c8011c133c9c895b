"""The product tree of CSAF: what each product id stands for.

Spec: OASIS CSAF 2.0, section 3.2.2
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.model.first_use import known

# The specification recommends no depth; real trees have five levels.
MAX_DEPTH = 30
# A component of a component of a product; real ones are two.
MAX_RELATIONS = 10


class _Helper(msgspec.Struct, frozen=True):
    purl: str = ""
    cpe: str = ""


class FullName(msgspec.Struct, frozen=True):
    name: str
    product_id: str
    product_identification_helper: _Helper = _Helper()


class Relationship(msgspec.Struct, frozen=True):
    product_reference: str
    relates_to_product_reference: str
    full_product_name: FullName


class Group(msgspec.Struct, frozen=True):
    group_id: str
    product_ids: list[str] = []


class ProductTree(msgspec.Struct, frozen=True):
    branches: list[dict[str, Any]] = []
    full_product_names: list[FullName] = []
    relationships: list[Relationship] = []
    product_groups: list[Group] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A purl, else a CPE, else a name; `part` is what of it is meant, empty for all of it."""

    name: str
    part: str = ""


def products_of(tree: ProductTree, where: str) -> dict[str, Product]:
    """Every product by its id. A relationship is its component as a part of what it belongs to.

    Raises:
        NotThisFormatError: branches that are no branches, or too deep.
    """
    products = {full.product_id: Product(name=_named(full)) for full in (*_leaves(tree.branches, where), *tree.full_product_names)}
    related = {relation.full_product_name.product_id: relation for relation in tree.relationships}
    for identifier, relation in related.items():
        whole = relation.relates_to_product_reference
        for _ in range(MAX_RELATIONS):
            if whole not in related:
                break
            whole = related[whole].relates_to_product_reference
        component, product = products.get(relation.product_reference), products.get(whole)
        helper = relation.full_product_name.product_identification_helper
        if component and product:
            products[identifier] = Product(name=product.name, part=helper.purl or component.part or component.name)
        elif helper.purl:
            products[identifier] = Product(name=helper.purl)
    return products


def _leaves(branches: list[dict[str, Any]], where: str) -> Iterator[FullName]:
    waiting = [(branch, 1) for branch in reversed(branches)]
    while waiting:
        branch, depth = waiting.pop()
        product, inner = branch.get("product"), branch.get("branches", [])
        if depth > MAX_DEPTH or not isinstance(inner, list) or not all(isinstance(each, dict) for each in inner):
            raise NotThisFormatError(f"{where}: the product tree is deeper than {MAX_DEPTH}, or has branches that are none")
        if product is not None:
            try:
                yield msgspec.convert(product, known(FullName))
            except msgspec.ValidationError as error:
                raise NotThisFormatError(f"{where}: {error!s:.200}") from error
        waiting.extend((each, depth + 1) for each in reversed(inner))


def _named(full: FullName) -> str:
    helper = full.product_identification_helper
    return helper.purl or helper.cpe or full.name
