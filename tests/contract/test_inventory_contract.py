"""The way back from a store: what was found of an image, complete enough to be judged again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from watcher.evaluation.policies.reading import read_documents
from watcher.evaluation.protocol import Case
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.inspection.image.assembly import KnownLayer, Parts, assembled
from watcher.inspection.image.config_secrets import secrets_of
from watcher.inspection.image.merge import merged_files
from watcher.inspection.protocol import LayerCache
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.digest import digest_of
from watcher.model.image import OCI_MANIFEST, Descriptor, HistoryEntry, ImageConfig, Manifest
from watcher.model.inventory import (
    FILE,
    Base,
    FileTable,
    Inventory,
    LayerFacts,
    PackageDatabase,
    PackageRecord,
    Problem,
    SecretHit,
)
from watcher.model.verdict import Finding, Section, SectionState
from watcher.store.facts import LayerStore
from watcher.store.images import StoredImages
from watcher.store.protocol import ImageReader, Judged, VerdictStore
from watcher.store.verdicts import StoredVerdicts

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PASSWD = b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n"
POLICY = """
apiVersion: watcher/v1
kind: Policy
metadata: {name: p, version: 1.0.0}
rules:
  - {id: set-id, each: files as f, when: f.suid || f.sgid, message: '{{f.path}} of {{f.layer_digest}}'}
  - {id: large, each: files as f, when: f.size > 5}
  - {id: old, each: packages as k, when: 'k.version == "1"', message: '{{k.name}} {{k.from_base}}'}
  - {id: leak, each: secrets as s, when: 'true', message: '{{s.where}} {{s.path}} {{s.present_in_final}}'}
  - {id: user, when: image.config.effective_uid == 1000}
  - {id: account, each: users as u, when: u.uid == 0, message: '{{u.name}}'}
  - {id: base, when: base.known, message: '{{base.layer_count}} {{image.annotations["a"]}} {{image.history[0].args}}'}
"""
POLICIES = PolicySet.compile(read_documents(POLICY, "p.yaml").policies)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A store, by its Protocols."""

    layers: LayerCache
    verdicts: VerdictStore
    images: ImageReader

    async def record(self, parts: Parts) -> Inventory:
        """Inspect and judge: the facts of the layers are kept first, then the image."""
        inventory = assembled(parts, SecretRules.load(b"salt"), max_files=100)
        for known in parts.layers:
            if known is not None:
                await self.layers.keep_layer(known.facts)
        said = a_verdict(subject=replace(SUBJECT, digest=inventory.digest))
        await self.verdicts.record([Judged(verdict=said, inventory=inventory)], nobody)
        return inventory

    async def restored(self, inventory: Inventory) -> Inventory:
        found = await self.images.inventory(inventory.digest)
        assert found is not None
        return found


@pytest.fixture(params=["sqlite"])
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_database(tmp_path / "watcher.db") as database:
        yield Bench(
            layers=LayerStore(database),
            verdicts=StoredVerdicts(database, lambda: MOMENT),
            images=StoredImages(database, merged_files),
        )


def read(name: str, files: dict[str, tuple[int, int]], **fields: Any) -> KnownLayer:
    """A layer of files by path, each with mode and size."""
    count = len(files)
    table = FileTable(
        path=[*files],
        kind=[FILE] * count,
        mode=[mode for mode, _ in files.values()],
        uid=[0] * count,
        gid=[0] * count,
        size=[size for _, size in files.values()],
        link=[""] * count,
    )
    facts = LayerFacts(
        digest=digest_of(name.encode()), compressed_bytes=10, plain_bytes=100, files=table, makers=("reader/1",), **fields
    )
    return KnownLayer(facts=facts, cached=False)


def an_image(*layers: KnownLayer | None) -> Parts:
    """Of these layers; one that is None is a kind that is not read. The lowest is the base image's."""
    types = [GZIP if each else GZIP.replace("layer", "layer.nondistributable") for each in layers]
    digests = [each.facts.digest if each else digest_of(b"skipped") for each in layers]
    descriptors = [Descriptor(media_type=kind, digest=digest, size=10) for kind, digest in zip(types, digests, strict=True)]
    config = Descriptor(media_type="application/vnd.oci.image.config.v1+json", digest=digest_of(b"config"), size=7)
    configuration = ImageConfig(
        architecture="amd64",
        os="linux",
        user="app",
        env=("DB_PASSWORD=hunter7-Zk2pW9xQ", "PATH=/bin"),
        history=(HistoryEntry(created_by="COPY . /"), HistoryEntry(created_by="USER app", empty_layer=True)),
    )
    return Parts(
        digest=digest_of(repr(descriptors).encode()),
        manifest=Manifest(media_type=OCI_MANIFEST, config=config, layers=tuple(descriptors), annotations={"a": "b"}),
        config=configuration,
        found=secrets_of(configuration, b"", b"", SecretRules.load(b"salt")),
        layers=layers,
        base=Base(known=True, reference="r.example.com/base:1", layer_count=1, how="layers"),
        base_section=Section(),
    )


def bottom() -> KnownLayer:
    curl = PackageRecord(type="deb", name="curl", version="1", licenses=("MIT",))
    database = PackageDatabase(path="var/lib/dpkg/status", type="deb", packages=(curl,), system=True)
    hit = SecretHit(rule="aws", title="AWS", path="root/key", line=2, fingerprint="f", preview="AKIA")
    files = {
        "bin/su": (0o4755, 9),
        "bin/old": (0o4755, 9),
        "root/key": (0o600, 3),
        "etc/passwd": (0o644, 3),
        database.path: (0o644, 3),
    }
    return read("bottom", files, databases=(database,), texts={"etc/passwd": PASSWD}, secrets=(hit,))


def top() -> KnownLayer:
    return read("top", {"srv/app": (0o2755, 9)}, whiteouts=("bin/old", "root/key"))


def findings(inventory: Inventory) -> tuple[Finding, ...]:
    case = Case(subject=SUBJECT, now=MOMENT, inventory=inventory)
    return POLICIES.evaluate(case).findings


async def test_a_stored_image_is_judged_again_to_the_same_findings(bench: Bench) -> None:
    """Files, packages, secrets, users, base and configuration: nothing that a rule reads is lost."""
    recorded = await bench.record(an_image(bottom(), top()))
    again = await bench.restored(recorded)
    assert again == recorded
    said = findings(recorded)
    assert {finding.rule.partition("/")[2] for finding in said} == {"set-id", "large", "old", "leak", "user", "account", "base"}
    assert findings(again) == said


async def test_layers_that_could_not_be_read_are_as_little_read_afterwards(bench: Bench) -> None:
    """A layer of another kind, and one that is damaged: what is said of them stays as it was."""
    damaged = read("damaged", {}, problems=(Problem(reason="damaged", detail="x", sections=("files", "packages"), fatal=True),))
    recorded = await bench.record(an_image(bottom(), damaged, None))
    assert [layer.state for layer in recorded.layers] == ["inspected", "failed", "skipped"]
    again = await bench.restored(recorded)
    assert again == recorded
    assert findings(again) == findings(recorded)


async def test_facts_of_newer_makers_are_as_good(bench: Bench) -> None:
    """A layer that was read again for another image still lists the same files."""
    recorded = await bench.record(an_image(bottom(), top()))
    await bench.layers.keep_layer(replace(bottom().facts, makers=("reader/2",)))
    assert await bench.restored(recorded) == recorded


@pytest.mark.parametrize("change", ["not kept", "other files"])
async def test_files_that_are_not_kept_are_missing_and_nothing_else(bench: Bench, change: str) -> None:
    """Part of a list could show what an upper layer removed: there is none, and no rule over files is decided."""
    recorded = await bench.record(an_image(bottom()))
    gone = replace(recorded.layers[0], digest=digest_of(b"gone")) if change == "not kept" else replace(recorded.layers[0], files=7)
    said = a_verdict(id="v-2", subject=replace(SUBJECT, digest=recorded.digest))
    await bench.verdicts.record([Judged(verdict=said, inventory=replace(recorded, layers=(gone,)))], nobody)
    again = await bench.restored(recorded)
    assert again.files == FileTable()
    assert again.sections["files"].state is SectionState.MISSING
    assert "layer 0" in again.sections["files"].reason
    assert again.packages == recorded.packages
    about_files = [finding for finding in findings(again) if finding.rule in {"p/set-id", "p/large"}]
    assert [(finding.action.value, finding.key) for finding in about_files] == [("unknown", "section:files")] * 2


async def test_what_was_never_inspected_has_no_inventory(bench: Bench) -> None:
    """An index, an artefact, or nothing at all."""
    await bench.verdicts.record([Judged(verdict=a_verdict())], nobody)
    assert await bench.images.inventory(SUBJECT.digest) is None
    assert await bench.images.inventory(digest_of(b"nothing")) is None
