"""SBOMs that somebody attached to an image: which are read, and how they differ from what was found."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.doubles.attaching import SIGSTORE_BUNDLE, attached, attested, bundle, cyclonedx, spdx, statement
from tests.doubles.image_sources import MemoryImages
from tests.doubles.inventories import a_package
from watcher.inspection.catalogers.sbom import MAX_BYTES
from watcher.inspection.image.attached_sboms import MAX_EXTRA, FoundSboms, compared, key_of
from watcher.inspection.sbom_finder import MAX_DOCUMENTS, MAX_LOOKS, MAX_READ_BYTES, SbomFinder
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.digest import Digest
from watcher.model.errors import RegistryUnavailableError
from watcher.model.image import Descriptor, FetchedManifest
from watcher.model.inventory import Package, PackageRecord, SbomDocument
from watcher.model.sbom_types import CYCLONEDX_JSON, IN_TOTO_JSON, OUR_MARK, SPDX_JSON
from watcher.model.verdict import Section, SectionState
from watcher.testing.images import BuiltImage, build_image, build_layer

IMAGE = build_image([build_layer({"a": "b"})])
DEBIAN, NPM = "pkg:deb/debian/bash@5.2", "pkg:npm/left-pad@1.3.0"


@dataclass(slots=True)
class Attached(MemoryImages):
    """What is attached to the image; `trouble` is met by whoever asks."""

    trouble: Exception | None = field(default=None)

    async def referrers(self, digest: Digest) -> list[Descriptor]:
        if self.trouble is not None:
            raise self.trouble
        return [*await MemoryImages.referrers(self, digest)]


async def found(*artefacts: BuiltImage, index: BuiltImage | None = None, trouble: Exception | None = None) -> FoundSboms:
    images = Attached(trouble=trouble)
    for each in (IMAGE, *artefacts):
        images.add(each)
    fetched: FetchedManifest | None = images.add(index) if index is not None else None
    return await SbomFinder().find(images, IMAGE.digest, fetched)


def purls(sboms: FoundSboms) -> list[str]:
    return [each.purl for each in sboms.packages]


def state(sboms: FoundSboms) -> tuple[str, str]:
    return sboms.section.state.value, sboms.section.reason


@pytest.mark.parametrize(
    ("artifact_type", "content", "says", "tool"),
    [
        (CYCLONEDX_JSON, cyclonedx(DEBIAN, NPM), "CycloneDX 1.6", "syft 1.18.1"),
        (SPDX_JSON, spdx(DEBIAN, NPM), "SPDX 2.3", "buildkit-v0.12"),
        ("text/spdx+json", spdx(DEBIAN, NPM), "SPDX 2.3", "buildkit-v0.12"),
        (IN_TOTO_JSON, statement(spdx(DEBIAN, NPM)), "SPDX 2.3", "buildkit-v0.12"),
        (IN_TOTO_JSON, statement(cyclonedx(DEBIAN, NPM), "https://cyclonedx.org/bom/v1.6"), "CycloneDX 1.6", "syft 1.18.1"),
    ],
)
async def test_a_referrer_is_read(artifact_type: str, content: bytes, says: str, tool: str) -> None:
    """Packages of distributions too, unlike those of a document that lies in an image."""
    artefact = attached(IMAGE, artifact_type, content)
    sboms = await found(artefact)
    assert sboms.documents == (SbomDocument(source="referrer", digest=artefact.digest, format=says, tool=tool, packages=2),)
    assert [(each.type, each.name, each.version) for each in sboms.packages] == [
        ("deb", "bash", "5.2"),
        ("npm", "left-pad", "1.3.0"),
    ]
    assert state(sboms) == ("complete", "")


async def test_an_artefact_whose_layer_has_no_type_of_its_own_is_read() -> None:
    """As `oras attach` writes it where none is given."""
    artefact = attached(IMAGE, CYCLONEDX_JSON, cyclonedx(NPM), layer_type="application/vnd.oci.image.layer.v1.tar")
    assert purls(await found(artefact)) == [NPM]


async def test_a_bundle_of_sigstore_is_read() -> None:
    """Where it is said to be about an SBOM: all other signatures come in such bundles too, and none of them is fetched."""
    said = {"dev.sigstore.bundle.predicateType": "https://spdx.dev/Document/v2.3"}
    content = bundle(statement(spdx(NPM), "https://spdx.dev/Document/v2.3"))
    assert purls(await found(attached(IMAGE, SIGSTORE_BUNDLE, content, annotations=said))) == [NPM]
    assert await found(attached(IMAGE, SIGSTORE_BUNDLE, b"{")) == FoundSboms()
    broken = await found(attached(IMAGE, SIGSTORE_BUNDLE, bundle(b"{"), annotations=said))
    assert (broken.documents, broken.section.state) == ((), SectionState.MISSING)


async def test_an_attestation_of_buildkit_is_read() -> None:
    """Of the image it is about; what says how an image was built is none."""
    index = attested(IMAGE, statement(spdx(NPM)))
    sboms = await found(index=index)
    assert [(each.source, each.digest) for each in sboms.documents] == [("attestation", index.children[1].digest)]
    other = attested(build_image([build_layer({"c": "d"})]), statement(spdx(NPM)))
    assert await found(index=other) == FoundSboms()
    provenance = statement(b'{"components": 7}', "https://slsa.dev/provenance/v1")
    assert await found(index=attested(IMAGE, provenance, "https://slsa.dev/provenance/v1")) == FoundSboms()
    assert await found(index=attested(IMAGE, provenance, "")) == FoundSboms()


async def test_what_is_attached_to_the_index_is_read() -> None:
    """Most tools attach to what a tag leads to."""
    index = attested(IMAGE, statement(b"{}", "https://slsa.dev/provenance/v1"), "https://slsa.dev/provenance/v1")
    sboms = await found(attached(index, SPDX_JSON, spdx(NPM)), index=index)
    assert [each.source for each in sboms.documents] == ["index"]


async def test_what_a_watcher_attached_does_not_count() -> None:
    """It says what was found, and would be found to say so."""
    assert await found(attached(IMAGE, CYCLONEDX_JSON, cyclonedx(NPM), annotations={OUR_MARK: "sha256:1"})) == FoundSboms()


async def test_other_artefacts_are_not_fetched() -> None:
    """A signature is none of ours."""
    signature = attached(IMAGE, "application/vnd.dev.cosign.artifact.sig.v1+json", b"{}")
    assert await found(signature) == FoundSboms()


@pytest.mark.parametrize(
    ("artifact_type", "content", "reason"),
    [
        (CYCLONEDX_JSON, b"{", "no-sbom"),
        (CYCLONEDX_JSON, b"[]", "no-sbom"),
        (CYCLONEDX_JSON, b'{"bomFormat": "CycloneDX", "components": 7}', "no-sbom"),
        (SPDX_JSON, b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}', "no-sbom"),
        (CYCLONEDX_JSON, b'{"components": [' + b"{}," * 400_001 + b"{}]}", "database-too-large"),
        (CYCLONEDX_JSON, b" " * (MAX_BYTES + 1), "too-large"),
        (CYCLONEDX_JSON, b'{"predicateType": [' + b"[]," * 1000 + b"[]]}", "no-sbom"),
        (IN_TOTO_JSON, statement(b"[]"), "no-sbom"),
        ("application/vnd.cyclonedx+xml", b"<bom/>", "application/vnd.cyclonedx+xml is not read"),
    ],
)
async def test_one_that_cannot_be_read_is_said(artifact_type: str, content: bytes, reason: str) -> None:
    """Nothing is known then, unless another could be read; never that nothing is attached."""
    broken = attached(IMAGE, artifact_type, content)
    sboms = await found(broken)
    said = f"the SBOM {broken.digest[7:19]} that is attached could not be read ({reason})"
    assert (sboms.documents, state(sboms)) == ((), ("missing", said))
    beside = await found(broken, attached(IMAGE, SPDX_JSON, spdx(NPM)))
    assert (purls(beside), state(beside)) == ([NPM], ("partial", said))


async def test_a_registry_that_cannot_be_asked_is_said() -> None:
    """Its attestations may be known all the same."""
    down = RegistryUnavailableError("down")
    said = f"what is attached to {IMAGE.digest[7:19]} could not be asked for (registry-unavailable)"
    assert state(await found(trouble=down)) == ("missing", said)
    sboms = await found(index=attested(IMAGE, statement(spdx(NPM))), trouble=down)
    assert (purls(sboms), sboms.section.state) == ([NPM], SectionState.PARTIAL)


async def test_what_is_attached_costs_no_more_than_a_few_documents() -> None:
    """However many there are; that there are more is said."""
    many = [attached(IMAGE, SPDX_JSON, spdx(f"pkg:npm/a@{number}")) for number in range(MAX_LOOKS + 2)]
    sboms = await found(*many)
    assert len(sboms.documents) == MAX_DOCUMENTS
    assert "more than 8 documents are attached" in sboms.section.reason
    assert f"more than {MAX_LOOKS} artefacts are attached" in sboms.section.skipped[-1]


async def test_large_documents_are_read_as_far_as_an_image_may_have_them() -> None:
    """Each of them alone would be."""
    several = [attached(IMAGE, SPDX_JSON, spdx(f"pkg:npm/a@{number}") + b" " * (MAX_BYTES - 1000)) for number in range(3)]
    sboms = await found(*several)
    assert len(sboms.documents) == MAX_READ_BYTES // MAX_BYTES
    assert "(too-large)" in sboms.section.reason


@pytest.mark.parametrize(
    "names",
    [
        ("pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12", "pkg:deb/ubuntu/libc6@2.36", "pkg:deb/libc6@2.36"),
        (
            "pkg:deb/debian/zlib1g@1:1.2.13",
            "pkg:deb/debian/zlib1g@1%3A1.2.13?upstream=zlib",
            "pkg:deb/debian/zlib1g@1.2.13?epoch=1",
        ),
        ("pkg:rpm/redhat/bash@5.1-6.el9?epoch=0", "pkg:rpm/rhel/bash@5.1-6.el9", "pkg:rpm/bash@0:5.1-6.el9"),
        ("pkg:pypi/zope.interface@6.0", "pkg:PyPI/Zope_Interface@6.0"),
        ("pkg:golang/golang.org/x/net@v0.1.0", "pkg:golang/golang.org/x/net@0.1.0#html"),
        ("pkg:npm/%40types/node@20.1.0", "pkg:npm/@types/node@20.1.0"),
        ("pkg:maven/org.slf4j/slf4j-api@2.0.9?type=jar", "pkg:maven/org.slf4j/slf4j-api@2.0.9"),
    ],
)
def test_one_package_has_one_name(names: tuple[str, ...]) -> None:
    """However tools write it."""
    assert len({key_of(each) for each in names}) == 1


def test_other_packages_have_other_names() -> None:
    """Another type, name, scope or version."""
    names = ["pkg:npm/a@1", "pkg:npm/b@1", "pkg:npm/a@2", "pkg:gem/a@1", "pkg:npm/%40s/a@1", "nonsense", ""]
    assert len({key_of(each) for each in names}) == len(names)


def listing(*purls: str, **fields: Any) -> FoundSboms:
    document = SbomDocument(source="referrer", digest=IMAGE.digest, format="SPDX 2.3", tool="syft", packages=len(purls))
    records = tuple(PackageRecord(type="npm", name=purl.partition("@")[0], version="1", purl=purl) for purl in purls)
    return FoundSboms(documents=(document,), packages=records, **fields)


PACKAGES = (a_package("bash", "5.2"), a_package("libc6", "2.36"), a_package("libc6", "2.36", path="other"))


@pytest.fixture(scope="module")
def rules() -> SecretRules:
    return SecretRules.load(b"salt")


def test_the_difference_goes_both_ways(rules: SecretRules) -> None:
    """What was found and is not listed, and what is listed and was not found."""
    sboms, section = compared(listing("pkg:deb/debian/bash@5.2?arch=amd64", "pkg:npm/left-pad@1.3.0?x=y"), PACKAGES, rules)
    assert sboms.missing == ("pkg:deb/debian/libc6@2.36",)
    assert [each.purl for each in sboms.extra] == ["pkg:npm/left-pad@1.3.0"]
    assert section == Section()


def test_without_a_document_there_is_no_difference(rules: SecretRules) -> None:
    """Nothing was to be listed."""
    sboms, _ = compared(FoundSboms(), PACKAGES, rules)
    assert (sboms.missing, sboms.extra) == ((), ())


def test_a_list_without_end_is_cut_and_said(rules: SecretRules) -> None:
    """What was found is compared with all of it."""
    purls = [f"pkg:npm/a@{number}" for number in range(MAX_EXTRA + 1)]
    sboms, section = compared(listing(*purls, "pkg:deb/debian/bash@5.2"), PACKAGES[:1], rules)
    assert (sboms.missing, len(sboms.extra), section.state) == ((), MAX_EXTRA, SectionState.PARTIAL)


def test_no_credential_of_a_document_is_shown(rules: SecretRules) -> None:
    """Neither in an address within a purl, nor in a name that is one."""
    key = "AKIA" + "Q3EGRIMZ7KLDOP5X"
    purls = (f"pkg:npm/a@1?download_url=https://u:{key}@h/", f"pkg:npm/{key}@1")
    sboms, _ = compared(listing(*purls), PACKAGES, rules)
    assert key not in str(sboms)
    assert len(sboms.extra) == 2


def test_packages_without_a_purl_are_left_out(rules: SecretRules) -> None:
    """There is nothing to compare."""
    bare = Package(record=PackageRecord(type="generic", name="x", version="1"), path="x", layer=0)
    assert compared(listing(), (bare,), rules)[0].missing == ()
