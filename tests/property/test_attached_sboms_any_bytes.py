"""Any bytes that are attached are a list of packages, none, or one of our errors."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.attaching import SPDX_PREDICATE, bundle, statement
from watcher.inspection.catalogers.sbom import ListedPackages
from watcher.inspection.image.attached_sboms import key_of
from watcher.inspection.sbom_finder import read_document
from watcher.model.errors import WatcherError

PARTS = ("pkg:", "npm", "/", "@", "1", "%40", "a", "deb", "?", "#", "1:", "//", "v", "\ud800", "%ff")
purls = st.lists(st.sampled_from(PARTS), max_size=9).map("".join)
WORDS = """bomFormat CycloneDX components purl metadata tools name spdxVersion packages externalRefs referenceType referenceLocator
creationInfo creators predicateType predicate payload dsseEnvelope"""
names = st.sampled_from([*WORDS.split(), SPDX_PREDICATE])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | names | purls,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def listed(content: bytes) -> ListedPackages | None:
    try:
        return read_document(content, "application/spdx+json")
    except WatcherError:
        return None


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    """Plain, and in everything that documents are wrapped in."""
    listed(content)
    listed(bundle(content))


@given(st.dictionaries(names, values, max_size=5))
def test_any_json(document: dict[str, Any]) -> None:
    """A document that is one lists packages with a name and a version."""
    content = json.dumps({"bomFormat": "CycloneDX", **document}).encode()
    for each in (content, statement(content), bundle(statement(content))):
        found = listed(each)
        assert all(record.name and record.version for record in (found.packages if found else ()))


@given(purls)
def test_any_purl_has_a_key(purl: str) -> None:
    """And it does not depend on what a tool writes behind the version."""
    if "?" not in purl and "#" not in purl:
        assert key_of(f"{purl}?arch=amd64#x") == key_of(purl) or key_of(purl)[0] == ""
