"""Components of Bitnami's images."""

import json

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.bitnami import MAX_BYTES, MAX_COMMAS, BitnamiCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError, PartlyReadError
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES

cataloger = BitnamiCataloger()
PATH = "opt/bitnami/postgresql/.spdx-postgresql.spdx"
LIST = "opt/bitnami/.bitnami_components.json"


def package(name: str, purl: str, **fields: str) -> dict[str, object]:
    references = [
        {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:*:a:b:1:*:*:*:*:*:*:*"},
        {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl},
    ]
    return {"name": name, "externalRefs": references, **fields}


def document(*packages: dict[str, object]) -> bytes:
    return json.dumps({"SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3", "packages": packages, "files": []}).encode()


def test_a_document_has_components_with_their_licences() -> None:
    """Their names in package URLs are those of advisories."""
    content = document(
        package(
            "PL/Java",
            "pkg:bitnami/pljava@1.6.8?arch=arm64&distro=debian-12",
            versionInfo="1.6.8",
            licenseDeclared="NOASSERTION",
            licenseConcluded="BSD-3-Clause",
        ),
        package("pljava-api", "pkg:maven/org.postgresql/pljava-api@1.6.8", versionInfo="1.6.8"),
        package("geos", "pkg:bitnami/geos@3.13.0-1"),
        {"name": "bitnami"},
    )
    database = database_of(cataloger, PATH, content)
    assert database is not None
    first, second = database.packages
    assert (first.type, first.name, first.version, first.source) == ("bitnami", "PL/Java", "1.6.8", "pljava")
    assert (first.licenses, first.architecture) == (("BSD-3-Clause",), "arm64")
    assert first.purl == "pkg:bitnami/pljava@1.6.8?arch=arm64&distro=debian-12"
    assert (second.name, second.version, second.purl) == ("geos", "3.13.0-1", "pkg:bitnami/geos@3.13.0-1")


def test_older_images_have_a_list() -> None:
    """With the digest of each."""
    content = b'{"gosu": {"arch": "amd64", "digest": "16f1", "distro": "debian-10", "type": "NAMI", "version": "1.14.0-1"}}'
    database = database_of(cataloger, LIST, content)
    assert database is not None
    assert [each.purl for each in database.packages] == ["pkg:bitnami/gosu@1.14.0-1?arch=amd64&distro=debian-10"]


@pytest.mark.parametrize("content", [document(), b"{}"])
def test_no_component_is_nothing(content: bytes) -> None:
    """A document may describe something else."""
    assert database_of(cataloger, LIST if content == b"{}" else PATH, content) is None


@pytest.mark.parametrize(
    ("path", "content"),
    [
        *((PATH, content) for content in (b"", b"[]", b"{}", b"SPDXVersion: SPDX-2.3\n", b'{"packages": 1}', b"[" * 100_000)),
        (PATH, b'{"packages": [{"name": "bitnami", "externalRefs": 1}]}'),
        *((LIST, content) for content in (b"", b"[]", b'{"a": 1}')),
    ],
)
def test_what_is_no_list_is_an_error(path: str, content: bytes) -> None:
    """Bitnami writes nothing else there."""
    with pytest.raises(DamagedDatabaseError):
        cataloger.read(path, content)


def test_a_component_without_a_version_is_said() -> None:
    """The others are there."""
    with pytest.raises(PartlyReadError) as caught:
        cataloger.read(LIST, b'{"a": {}, "b": {"version": "1"}}')
    assert [each.name for each in caught.value.facts[0].packages] == ["b"]


@pytest.mark.parametrize("content", [b"," * (MAX_COMMAS + 1), b'{"packages":[' + b"0," * MAX_PACKAGES + b"0]}"])
def test_more_than_anyone_has_is_not_read(content: bytes) -> None:
    """It would take more memory than there is."""
    with pytest.raises(DatabaseTooLargeError):
        cataloger.read(PATH, content)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        *((PATH, True), (LIST, True), ("opt/bitnami/common/bin/.spdx-gosu.spdx", True)),
        *(("srv/.spdx-a.spdx", False), ("opt/bitnami/a/a.spdx", False), ("opt/bitnami/a/.bitnami_components.json", False)),
    ],
)
def test_only_what_bitnami_wrote_is_wanted(path: str, wanted: bool) -> None:
    """It is always at one place."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
