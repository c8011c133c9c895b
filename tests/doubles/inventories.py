"""An image of two layers to start from, and the facts of a layer; tests change what they are about."""

from dataclasses import replace
from typing import Any

from tests.doubles.verdicts import IMAGE
from watcher.model.digest import Digest
from watcher.model.image import OCI_MANIFEST, HistoryEntry, ImageConfig
from watcher.model.inventory import (
    AttachedSboms,
    Base,
    Distro,
    FileTable,
    Inventory,
    LayerFacts,
    LayerSummary,
    Package,
    PackageDatabase,
    PackageRecord,
    Problem,
    SbomDocument,
    Secret,
    SecretHit,
    User,
)
from watcher.model.verdict import INSPECTED, Section, SectionState

BOTTOM = Digest("sha256:" + "a" * 64)
TOP = Digest("sha256:" + "b" * 64)

HIT = SecretHit(
    rule="aws-access-key-id",
    title="AWS access key",
    path="root/.aws/credentials",
    line=2,
    fingerprint="f1",
    preview="AKIA",
)


def a_package(name: str, version: str = "1.0", *, layer: int = 0, path: str = "var/lib/dpkg/status", **fields: Any) -> Package:
    record = PackageRecord(type="deb", name=name, version=version, purl=f"pkg:deb/debian/{name}@{version}", **fields)
    return Package(record=record, path=path, layer=layer, from_base=layer == 0)


def layers(*digests: Digest, files: int = 2) -> tuple[LayerSummary, ...]:
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    return tuple(LayerSummary(digest=digest, media_type=media_type, compressed_bytes=10, files=files) for digest in digests)


def layers_of(inventory: Inventory) -> tuple[LayerFacts, ...]:
    """Facts of layers that make the files of the inventory: each has those that it brought."""
    rows = list(enumerate(inventory.files.layer))
    return tuple(
        LayerFacts(
            digest=layer.digest,
            compressed_bytes=layer.compressed_bytes,
            plain_bytes=layer.plain_bytes,
            files=replace(inventory.files.rows([row for row, owner in rows if owner == index]), layer=[]),
            makers=("reader/1",),
        )
        for index, layer in enumerate(inventory.layers)
    )


_INVENTORY = Inventory(
    digest=IMAGE,
    media_type=OCI_MANIFEST,
    platform="linux/amd64",
    config_digest=Digest("sha256:" + "c" * 64),
    config=ImageConfig(architecture="amd64", os="linux", user="app", history=(HistoryEntry(created_by="COPY . /"),)),
    annotations={"org.opencontainers.image.title": "app"},
    compressed_bytes=20,
    layers=(*layers(BOTTOM), *layers(TOP, files=1)),
    effective_uid=1000,
    distro=Distro(id="debian", version="12", name="Debian 12", known=True),
    base=Base(known=True, reference="registry.example.com/base/debian", layer_count=1, how="layers"),
    packages=(a_package("libc6"), a_package("bash"), a_package("app", layer=1)),
    files=FileTable(
        path=["bin/su", "etc/motd", "tmp"],
        kind=["f", "f", "d"],
        mode=[0o4755, 0o644, 0o1777],
        uid=[0, 0, 0],
        gid=[0, 0, 0],
        size=[9, 4, 0],
        link=["", "", ""],
        layer=[0, 1, 0],
        capabilities={0: "cap_net_raw=ep"},
        content={1: "welcome"},
        sha256={0: b"\x07" * 32, 1: b"\xff" * 32},
    ),
    users=(User(name="app", uid=1000, gid=1000, home="/", shell="/bin/sh"),),
    secrets=(Secret(hit=HIT, where="file", layer=1, layer_digest=TOP, present_in_final=False),),
    sections={name: Section() for name in INSPECTED} | {"files": Section(state=SectionState.PARTIAL, reason="x", skipped=("y",))},
    facts_revision="sha256:" + "4" * 64,
    declared=(a_package("left-pad", layer=1),),
    sbom=AttachedSboms(
        documents=(SbomDocument(source="referrer", digest=TOP, format="SPDX 2.3", tool="syft 1.18.1", packages=3),),
        missing=("pkg:deb/debian/app@1.0",),
        extra=(PackageRecord(type="npm", name="left-pad", version="1.0", purl="pkg:npm/left-pad@1.0"),),
    ),
)


def an_inventory(**changes: Any) -> Inventory:
    return replace(_INVENTORY, **changes)


_FACTS = LayerFacts(
    digest=BOTTOM,
    compressed_bytes=10,
    plain_bytes=100,
    files=FileTable(path=["a"], kind=["f"], mode=[0o644], uid=[0], gid=[0], size=[1], link=[""]),
    whiteouts=("b",),
    opaque=("c",),
    databases=(PackageDatabase(path="var/lib/dpkg/status", type="deb", packages=(a_package("bash").record,), system=True),),
    texts={"etc/os-release": b"ID=debian\n\xff"},
    secrets=(HIT,),
    problems=(Problem(reason="truncated", detail="d", sections=("files",)),),
    makers=("deb/1", "reader/1"),
)


def layer_facts(**changes: Any) -> LayerFacts:
    return replace(_FACTS, **changes)
