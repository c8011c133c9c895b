"""OpenVEX and CSAF: what somebody says of a vulnerability in a product."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from watcher.advisories.formats import csaf, openvex
from watcher.advisories.formats.csaf_products import MAX_DEPTH
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Malformed, Record, Statement

IMAGE = "pkg:oci/shop@sha256%3Aabc?repository_url=registry.example.com/shop"
GIT = "pkg:apk/wolfi/git@2.39.0-r1?arch=x86_64"
NOT_THERE = "vulnerable_code_not_in_execute_path"


def open_vex(*statements: Any, **head: Any) -> list[Record]:
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex-1",
        "author": "Security <s@example.com>",
        "timestamp": "2024-01-08T18:02:03.647787998-06:00",
        "statements": statements,
        **head,
    }
    return list(openvex.read(json.dumps(document).encode(), name="vex.json"))


def test_a_statement_of_openvex_is_read_whole() -> None:
    """Vulnerability with its aliases, products with their parts, status and justification, whose it is and of when."""
    assert open_vex(
        {
            "vulnerability": {
                "@id": "https://nvd.example/CVE-2023-12345",
                "name": "CVE-2023-12345",
                "aliases": ["GHSA-aaaa-bbbb-cccc"],
            },
            "products": [{"@id": IMAGE, "subcomponents": [{"@id": GIT}]}],
            "status": "not_affected",
            "justification": NOT_THERE,
            "impact_statement": "never called",
        }
    ) == [
        Statement(
            ids=("CVE-2023-12345", "GHSA-aaaa-bbbb-cccc"),
            products=(IMAGE,),
            parts=(GIT,),
            status="not_affected",
            justification=NOT_THERE,
            document="https://example.com/vex-1",
            author="Security <s@example.com>",
            said=datetime(2024, 1, 9, 0, 2, 3, 647787, tzinfo=UTC),
        )
    ]


def test_a_purl_names_a_product_better_than_its_id() -> None:
    """An `@id` may be any IRI; what identifies a package stands beside it."""
    (statement,) = open_vex(
        {
            "vulnerability": {"name": "CVE-2023-12345"},
            "products": [{"@id": "https://example.com/git", "identifiers": {"purl": GIT, "cpe23": "cpe:2.3:a:git:git:*"}}],
            "status": "fixed",
        }
    )
    assert isinstance(statement, Statement)
    assert statement.products == (GIT,)


def test_products_with_other_parts_are_other_statements() -> None:
    """What is said of git in one image is not said of all of another."""
    git = [{"@id": GIT}]
    statements = open_vex(
        {
            "vulnerability": {"name": "CVE-2023-12345"},
            "products": [{"@id": "a", "subcomponents": git}, {"@id": "b"}, {"@id": "c", "subcomponents": git}],
            "status": "affected",
        }
    )
    assert [(each.products, each.parts) for each in statements if isinstance(each, Statement)] == [
        (("a", "c"), (GIT,)),
        (("b",), ()),
    ]


def test_the_first_form_of_openvex_named_everything_by_texts() -> None:
    """Documents of 0.0.1 are still about."""
    (statement,) = open_vex(
        {"vulnerability": "CVE-2023-12345", "products": [IMAGE], "subcomponents": [GIT], "status": "under_investigation"},
        **{"@context": "https://openvex.dev/ns"},
    )
    assert isinstance(statement, Statement)
    assert (statement.ids, statement.products, statement.parts) == (("CVE-2023-12345",), (IMAGE,), (GIT,))


def test_a_statement_is_of_its_own_time() -> None:
    """The latest that is written of it, else that of its document."""
    times = {"timestamp": "2024-02-01T00:00:00Z", "last_updated": "2024-03-01T00:00:00Z"}
    (statement,) = open_vex({"vulnerability": "CVE-2023-12345", "products": [IMAGE], "status": "fixed", **times})
    assert isinstance(statement, Statement)
    assert statement.said == datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "fine"},
        {"status": "not_affected", "justification": "because"},
        {"vulnerability": {"name": "that one"}},
        {"vulnerability": {}},
        {"products": []},
        {"products": [{"@id": ""}]},
        {"products": [{"@id": "a", "subcomponents": [{}]}]},
        {"subcomponents": [""]},
        {"products": 3},
    ],
)
def test_a_statement_that_means_nothing_is_named(wrong: dict[str, Any]) -> None:
    """Above all one about a part without a name, which would otherwise be about the whole product."""
    fine = {"vulnerability": {"name": "CVE-2023-12345"}, "products": [{"@id": IMAGE}], "status": "fixed"}
    malformed, statement = open_vex({**fine, **wrong}, fine)
    assert isinstance(malformed, Malformed)
    assert malformed.where == "vex.json statements[0]"
    assert isinstance(statement, Statement)


@pytest.mark.parametrize("context", ["https://example.com/ns", ""])
def test_another_context_is_not_openvex(context: str) -> None:
    """The context is what says that the words mean what they do."""
    with pytest.raises(NotThisFormatError):
        open_vex(**{"@context": context})


def product(identifier: str, **helper: str) -> dict[str, Any]:
    return {"name": f"name of {identifier}", "product_id": identifier, "product_identification_helper": helper}


def relation(identifier: str, component: str, of: str) -> dict[str, Any]:
    return {
        "category": "default_component_of",
        "product_reference": component,
        "relates_to_product_reference": of,
        "full_product_name": {"name": identifier, "product_id": identifier},
    }


TREE = {
    "branches": [
        {
            "category": "vendor",
            "name": "Red Hat",
            "branches": [
                {"category": "product_name", "name": "RHEL 9", "product": product("rhel9", cpe="cpe:/o:redhat:enterprise_linux:9")},
                {"category": "product_name", "name": "RHEL 8", "product": product("rhel8", cpe="cpe:/o:redhat:enterprise_linux:8")},
                {"category": "product_version", "name": "git", "product": product("git", purl="pkg:rpm/redhat/git@2.39.3-1.el9")},
            ],
        }
    ],
    "full_product_names": [product("app")],
    "relationships": [relation("rhel9:git", "git", "rhel9"), relation("rhel8:git", "git", "rhel8")],
    "product_groups": [{"group_id": "G", "product_ids": ["rhel9:git", "rhel8:git"]}],
}


def csaf_vex(*vulnerabilities: Any, tree: Any = None) -> list[Record]:
    tracking = {"id": "CVE-2023-12345", "current_release_date": "2024-01-02T00:00:00Z", "status": "final"}
    document = {
        "document": {"category": "csaf_vex", "csaf_version": "2.0", "publisher": {"name": "Red Hat"}, "tracking": tracking},
        "product_tree": TREE if tree is None else tree,
        "vulnerabilities": vulnerabilities,
    }
    return list(csaf.read(json.dumps(document).encode(), name="csaf.json"))


def test_a_package_of_a_release_is_a_part_of_it() -> None:
    """A relationship of CSAF names both; releases of which the same is said are one statement, and a flag of a group is theirs."""
    assert csaf_vex(
        {
            "cve": "CVE-2023-12345",
            "product_status": {"known_not_affected": ["rhel9:git", "rhel8:git"]},
            "flags": [{"label": "component_not_present", "group_ids": ["G"]}],
        }
    ) == [
        Statement(
            ids=("CVE-2023-12345",),
            products=("cpe:/o:redhat:enterprise_linux:9", "cpe:/o:redhat:enterprise_linux:8"),
            parts=("pkg:rpm/redhat/git@2.39.3-1.el9",),
            status="not_affected",
            justification="component_not_present",
            document="CVE-2023-12345",
            author="Red Hat",
            said=datetime(2024, 1, 2, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("known_affected", "affected"),
        ("first_affected", "affected"),
        ("last_affected", "affected"),
        ("fixed", "fixed"),
        ("first_fixed", "fixed"),
        ("under_investigation", "under_investigation"),
        ("known_not_affected", "not_affected"),
        ("recommended", None),
    ],
)
def test_a_product_status_is_one_of_four(written: str, status: str | None) -> None:
    """A recommendation is none."""
    found = csaf_vex({"cve": "CVE-2023-12345", "product_status": {written: ["app"]}})
    assert [(each.status, each.products, each.parts) for each in found if isinstance(each, Statement)] == (
        [(status, ("name of app",), ())] if status else []
    )


def test_what_is_said_of_a_product_and_of_its_part_is_said_of_all_of_it() -> None:
    """A product without parts is wider than one with them."""
    (statement,) = csaf_vex({"cve": "CVE-2023-12345", "product_status": {"known_affected": ["rhel9:git", "rhel9"]}})
    assert isinstance(statement, Statement)
    assert statement.parts == ()


def test_a_contradiction_clears_nothing() -> None:
    """A product that is both fixed and affected is named, and neither is believed."""
    (malformed,) = csaf_vex({"cve": "CVE-2023-12345", "product_status": {"fixed": ["app"], "known_affected": ["app"]}})
    assert malformed == Malformed(where="csaf.json vulnerabilities[0]", reason="product 'app' is said to be affected and fixed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"product_status": {"fixed": ["app"]}},
        {"cve": "CVE-2023-12345", "product_status": {"fixed": ["who"]}},
        {"cve": "CVE-2023-12345", "product_status": 3},
    ],
)
def test_a_vulnerability_that_cannot_be_read_is_named(wrong: dict[str, Any]) -> None:
    """Its neighbours are read."""
    malformed, statement = csaf_vex(wrong, {"ids": [{"text": "GHSA-aaaa-bbbb-cccc"}], "product_status": {"fixed": ["app"]}})
    assert isinstance(malformed, Malformed)
    assert isinstance(statement, Statement)
    assert statement.ids == ("GHSA-aaaa-bbbb-cccc",)


def test_relations_in_a_circle_end() -> None:
    """A component of itself is a component of nothing."""
    tree = {**TREE, "relationships": [relation("a", "git", "b"), relation("b", "git", "a")]}
    found = csaf_vex({"cve": "CVE-2023-12345", "product_status": {"fixed": ["a", "b"]}}, tree=tree)
    assert [type(each) for each in found] == [Malformed, Malformed]


def nested(levels: int) -> dict[str, Any]:
    branch: dict[str, Any] = {"product": product("deep")}
    for _ in range(levels - 1):
        branch = {"branches": [branch]}
    return {"branches": [branch]}


def test_branches_have_an_end() -> None:
    """So deep they are read, and no deeper."""
    fixed = {"cve": "CVE-2023-12345", "product_status": {"fixed": ["deep"]}}
    (statement,) = csaf_vex(fixed, tree=nested(MAX_DEPTH))
    assert isinstance(statement, Statement)
    with pytest.raises(NotThisFormatError):
        csaf_vex(fixed, tree=nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("tree", [{"branches": [{"branches": 3}]}, {"branches": [{"product": {"name": 1}}]}, {"branches": 3}])
def test_a_tree_that_is_none_is_refused(tree: Any) -> None:
    """Without products nothing is said of any."""
    with pytest.raises(NotThisFormatError):
        csaf_vex(tree=tree)


def test_a_later_csaf_is_refused() -> None:
    """What its words mean is not known."""
    with pytest.raises(NotThisFormatError):
        list(csaf.read(b'{"document": {"csaf_version": "3.0"}}', name="csaf.json"))
