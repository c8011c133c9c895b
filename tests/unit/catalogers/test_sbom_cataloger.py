"""Documents in an image that list packages."""

import json

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.protocol import DatabaseTooLargeError
from watcher.inspection.catalogers.sbom import MAX_BYTES, MAX_COMMAS, SbomCataloger

cataloger = SbomCataloger()
PATH = "app/app.cdx.json"


def purls(content: bytes) -> list[str]:
    database = database_of(cataloger, PATH, content)
    return [each.purl for each in database.packages] if database else []


def cyclonedx(*components: dict[str, object]) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}).encode()


def spdx(*packages: dict[str, object]) -> bytes:
    return json.dumps({"spdxVersion": "SPDX-2.3", "packages": packages}).encode()


def reference(purl: object) -> dict[str, object]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


@pytest.mark.parametrize(
    ("purl", "kind", "name", "version", "source"),
    [
        ("pkg:npm/%40babel/core@7.24.0", "npm", "@babel/core", "7.24.0", "@babel/core"),
        ("pkg:maven/org.apache/commons@1.0?type=jar", "maven", "org.apache:commons", "1.0", "org.apache:commons"),
        ("pkg:golang/golang.org/x/net@v0.1.0#html", "golang", "golang.org/x/net", "v0.1.0", "golang.org/x/net"),
        ("pkg:pypi/zope.interface@6.0", "pypi", "zope.interface", "6.0", "zope-interface"),
        ("pkg:GEM/rake@13.0", "gem", "rake", "13.0", "rake"),
    ],
)
def test_packages_are_called_as_others_of_their_kind(purl: str, kind: str, name: str, version: str, source: str) -> None:
    """By their package URL; so advisories find them."""
    for content in (cyclonedx({"purl": purl}), spdx({"externalRefs": [{"referenceType": "cpe23Type"}, reference(purl)]})):
        database = database_of(cataloger, PATH, content)
        assert database is not None
        (package,) = database.packages
        assert (package.type, package.name, package.version, package.source) == (kind, name, version, source)
        assert package.purl.startswith(f"pkg:{kind}/")


def test_licences_are_those_it_states() -> None:
    """As an identifier, a name or an expression; of SPDX the declared one."""
    stated = [{"license": {"id": "MIT"}}, {"license": {"name": "Own"}}, {"expression": "MIT OR Own"}, {"license": {}}, {}]
    database = database_of(cataloger, PATH, cyclonedx({"purl": "pkg:npm/a@1", "licenses": stated}))
    assert database is not None
    assert database.packages[0].licenses == ("MIT", "Own", "MIT OR Own")
    fields = {"licenseDeclared": "NOASSERTION", "licenseConcluded": "ISC"}
    package: dict[str, object] = {"externalRefs": [reference("pkg:npm/a@1")], **fields}
    database = database_of(cataloger, PATH, spdx(package))
    assert database is not None
    assert database.packages[0].licenses == ("ISC",)


def test_components_within_others_are_listed() -> None:
    """In their order, each once; what a document is about is not in it."""
    within = {"purl": "pkg:npm/b@1", "components": [{"purl": "pkg:npm/a@1"}]}
    nested: dict[str, object] = {"purl": "pkg:npm/a@1", "components": [within]}
    assert purls(cyclonedx(nested, {"purl": "pkg:npm/c@1"})) == ["pkg:npm/a@1", "pkg:npm/b@1", "pkg:npm/c@1"]


@pytest.mark.parametrize(
    "purl", ["pkg:deb/debian/a@1", "pkg:apk/a@1", "pkg:oci/a@1", "pkg:npm/a", "pkg:npm/@1", "npm/a@1", "", 1, None]
)
def test_what_it_cannot_know_is_left_out(purl: object) -> None:
    """Packages of distributions are in the database of their tools, or not installed."""
    assert purls(cyclonedx({"purl": purl})) == purls(spdx({"externalRefs": [reference(purl)]})) == []


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{}", b"{", b"SPDXVersion: SPDX-2.3\n", b'{"components": [{"purl": "pkg:npm/a@1"}]}', b"<bom/>"),
        *(b'{"bomFormat": "CycloneDX", "components": 1}', b'{"bomFormat": "CycloneDX"}', b'{"a":' * 100_000),
    ],
)
def test_other_files_are_nothing(content: bytes) -> None:
    """They may be called so."""
    assert purls(content) == []


def test_more_values_than_anyone_has_are_not_read() -> None:
    """They would take more memory than there is."""
    with pytest.raises(DatabaseTooLargeError):
        cataloger.read(PATH, b"{" + b"," * (MAX_COMMAS + 1))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        *((PATH, True), ("bom.json", True), ("a/sbom.json", True), ("a/b.spdx.json", True), ("a/b.sbom.json", True)),
        *(("package.json", False), ("a/xbom.json", False), ("opt/bitnami/a/.spdx-a.spdx", False), ("a.cdx.xml", False)),
    ],
)
def test_documents_are_known_by_their_names(path: str, wanted: bool) -> None:
    """Wherever they are."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
