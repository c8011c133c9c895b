"""What was found of an image, put together: facts, configuration and base in, one inventory out."""

from dataclasses import replace
from typing import Any

import pytest

from watcher.inspection.image.assembly import KnownLayer, Parts, assembled
from watcher.inspection.image.attached_sboms import FoundSboms
from watcher.inspection.image.config_secrets import secrets_of
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.digest import Digest, digest_of
from watcher.model.image import OCI_MANIFEST, Descriptor, HistoryEntry, ImageConfig, Manifest
from watcher.model.inspection_json import inspection_json
from watcher.model.inventory import (
    FILE,
    Base,
    FileTable,
    Inventory,
    LayerFacts,
    PackageDatabase,
    PackageRecord,
    Problem,
    SbomDocument,
)
from watcher.model.verdict import Section, SectionState

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
DPKG = "var/lib/dpkg/status"
CURL = PackageRecord(type="deb", name="curl", version="1")
RULES = SecretRules.load(b"salt")
PASSWORD = "hunter7-Zk2pW9xQ"
TEXTS = {
    "etc/passwd": b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n",
    "etc/os-release": b"ID=debian\nVERSION_ID=12\n",
}


@pytest.fixture(scope="module")
def rules() -> SecretRules:
    return RULES


def described(name: str, media_type: str = GZIP) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digest_of(name.encode()), size=10)


def read(name: str, *paths: str, **fields: Any) -> KnownLayer:
    """A layer of these files, and of those that `texts` and `databases` need."""
    names = [*paths, *fields.get("texts", {}), *(database.path for database in fields.get("databases", ()))]
    rows = len(names)
    table = FileTable(
        path=names,
        kind=[FILE] * rows,
        mode=[0o644] * rows,
        uid=[0] * rows,
        gid=[0] * rows,
        size=[1] * rows,
        link=[""] * rows,
    )
    facts = LayerFacts(digest=described(name).digest, compressed_bytes=10, plain_bytes=100, files=table, makers=("r/1",), **fields)
    return KnownLayer(facts=facts, cached=False)


def parts(*layers: KnownLayer | None, config: ImageConfig | None = None, **changes: Any) -> Parts:
    """One descriptor a layer; one that is not read is foreign."""
    descriptors = tuple(
        described(f"skipped {place}", FOREIGN) if each is None else replace(described(""), digest=each.facts.digest)
        for place, each in enumerate(layers)
    )
    manifest = Manifest(media_type=OCI_MANIFEST, config=described("config"), layers=descriptors)
    config = config or ImageConfig(architecture="amd64", os="linux")
    whole = Parts(
        digest=Digest("sha256:" + "1" * 64),
        manifest=manifest,
        config=config,
        found=secrets_of(config, b"", b"", RULES),
        layers=layers,
        base=Base(),
        base_section=Section(state=SectionState.MISSING, reason="none is known"),
    )
    return replace(whole, **changes)


def states(inventory: Inventory) -> dict[str, str]:
    return {name: section.state.value for name, section in inventory.sections.items()}


def test_layers_configuration_and_base_become_one_image(rules: SecretRules) -> None:
    """Packages know their layer and whether the base brought them; the user is looked up in the image's own passwd."""
    bottom = read("a", texts=TEXTS, databases=(PackageDatabase(path=DPKG, type="deb", packages=(CURL,), system=True),))
    config = ImageConfig(
        architecture="amd64", os="linux", user="app", history=(HistoryEntry(created_by="FROM"), HistoryEntry(created_by="COPY"))
    )
    base = Base(known=True, reference="r.example/base:1", layer_count=1, how="layers")
    found = assembled(parts(bottom, read("b", "app/x"), config=config, base=base, base_section=Section()), rules, max_files=10)
    assert (found.effective_uid, found.distro.id, found.compressed_bytes) == (1000, "debian", 30)
    assert [(each.record.name, each.layer, each.from_base) for each in found.packages] == [("curl", 0, True)]
    assert [(each.created_by, each.state, each.files) for each in found.layers] == [
        ("FROM", "inspected", 3),
        ("COPY", "inspected", 1),
    ]
    assert dict(zip(found.files.path, found.files.layer, strict=True))["app/x"] == 1
    assert set(states(found).values()) == {"complete"}


def test_a_secret_of_the_configuration_is_reported_and_shown_nowhere(rules: SecretRules) -> None:
    """Neither in the variable itself nor in the step or the annotation that repeats it."""
    config = ImageConfig(env=(f"DB_PASSWORD={PASSWORD}",), history=(HistoryEntry(created_by=f"RUN login {PASSWORD}"),))
    given = parts(read("a", "x"), config=config)
    manifest = replace(given.manifest, annotations={"note": PASSWORD})
    found = assembled(replace(given, manifest=manifest), rules, max_files=10)
    assert [(each.where, each.hit.path) for each in found.secrets] == [("env", "DB_PASSWORD")]
    assert PASSWORD not in repr(found)


def test_what_runtimes_put_in_different_places_is_said(rules: SecretRules) -> None:
    """With its path; no file, package or user is then certain, and which secrets there are is."""
    base = read("a", "usr/bin/sh", "bin", "x")
    table = base.facts.files
    table.kind[1], table.link[1] = "l", "usr/bin"
    found = assembled(parts(base, read("b", "bin/tool"), config=ImageConfig(os="linux", user="app")), rules, max_files=10)
    assert states(found) == dict.fromkeys(("packages", "files", "users", "distro", "declared"), "partial") | {
        "config": "complete",
        "secrets": "complete",
        "base": "missing",
        "sbom": "complete",
    }
    assert found.sections["files"].skipped == ("bin/tool",)
    assert "/bin/tool: layer 1 has it below a link" in found.sections["files"].reason
    upper = read("c", "y")
    upper.facts.files.kind[0], upper.facts.files.link[0], upper.facts.files.mode[0] = "h", "x", 0o4755
    linked = assembled(parts(read("a", "x"), upper), rules, max_files=10)
    assert [name for name, state in states(linked).items() if state == "partial"] == ["files"]


@pytest.mark.parametrize(("user", "uid"), [("app", None), ("1000:app", None), ("1000", 1000), ("", 0), ("+0:0", 0)])
def test_a_user_that_cannot_be_looked_up_is_not_known(rules: SecretRules, user: str, uid: int | None) -> None:
    """A damaged layer may have held another /etc/passwd; a number needs none."""
    damaged = read("b", problems=(Problem(reason="damaged", detail="at byte 7", sections=("users",)),))
    config = ImageConfig(os="linux", user=user)
    assert assembled(parts(read("a", texts=TEXTS), damaged, config=config), rules, max_files=10).effective_uid == uid


@pytest.mark.parametrize("user", ["", "ContainerAdministrator", "ContainerUser", "NT AUTHORITY\\SYSTEM", "0"])
def test_a_windows_image_has_no_uids(rules: SecretRules, user: str) -> None:
    """Who its accounts are is not read, and a Linux image that calls itself one gains nothing."""
    found = assembled(parts(read("a", texts=TEXTS), config=ImageConfig(os="Windows", user=user)), rules, max_files=10)
    assert found.effective_uid is None
    assert found.sections["users"].state is SectionState.PARTIAL
    assert inspection_json(found)["config"]["runs_as_root"] is None


def test_what_was_not_looked_at_is_said_in_order(rules: SecretRules) -> None:
    """Layers that are none of ours first, then those that failed, then the image as a whole."""
    failed = read("b", problems=(Problem(reason="damaged", detail="at byte 7", sections=("files",), fatal=True),))
    found = assembled(parts(read("a", "x", "y"), failed, None, overdrawn="too much in all"), rules, max_files=1)
    assert [each.state for each in found.layers] == ["inspected", "failed", "skipped"]
    files = found.sections["files"]
    assert files.state is SectionState.PARTIAL
    assert [what.rpartition(": ")[2] for what in files.skipped] == ["non-distributable", "damaged", "over-budget", "over-budget"]
    assert found.sections["packages"].reason.endswith("(and 1 more)")


def test_an_image_of_which_no_layer_could_be_read_is_missing(rules: SecretRules) -> None:
    """Not partial: there is nothing to rely on. An image without layers is whole."""
    assert states(assembled(parts(None), rules, max_files=10))["packages"] == "missing"
    assert states(assembled(parts(), rules, max_files=10))["packages"] == "complete"


def test_the_revision_follows_makers_and_problems(rules: SecretRules) -> None:
    """The same facts have the same revision; facts of other makers, or cut short by a limit, have another."""
    layer = read("a", "x")
    newer = KnownLayer(facts=replace(layer.facts, makers=("r/2",)), cached=False)
    cut = KnownLayer(facts=replace(layer.facts, problems=(Problem(reason="cut", detail="", sections=()),)), cached=False)
    again = KnownLayer(facts=layer.facts, cached=True)
    revisions = [assembled(parts(each), rules, max_files=10).facts_revision for each in (layer, again, newer, cut)]
    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 3


def test_what_is_attached_is_held_against_what_was_found(rules: SecretRules) -> None:
    """A verdict rests on it: facts by other documents are others, those of an image without are as they were."""
    listed = PackageRecord(type="npm", name="a", version="1", purl="pkg:npm/a@1")
    document = SbomDocument(source="referrer", digest=described("s").digest, format="SPDX 2.3", tool="syft", packages=1)
    curl = replace(CURL, purl="pkg:deb/curl@1?arch=amd64")
    database = PackageDatabase(path=DPKG, type="deb", packages=(curl,), system=True)
    given = parts(read("a", texts=TEXTS, databases=(database,)))
    plain = assembled(given, rules, max_files=10)
    found = assembled(replace(given, sboms=FoundSboms(documents=(document,), packages=(listed,))), rules, max_files=10)
    assert (plain.sbom.missing, plain.sections["sbom"].state) == ((), SectionState.COMPLETE)
    assert found.sbom.missing == (found.packages[0].record.purl,)
    assert found.sbom.extra == (listed,)
    assert found.facts_revision != plain.facts_revision
    lost = Section(state=SectionState.MISSING, reason="down", skipped=("down",))
    assert assembled(replace(given, sboms=FoundSboms(section=lost)), rules, max_files=10).facts_revision != plain.facts_revision


def test_a_secret_of_the_configuration_is_shown_in_no_attached_document(rules: SecretRules) -> None:
    """Whoever knows it may have put it there."""
    document = SbomDocument(source="referrer", digest=described("s").digest, format="SPDX 2.3", tool=PASSWORD, packages=1)
    listed = PackageRecord(type="npm", name=PASSWORD, version="1", purl=f"pkg:npm/{PASSWORD}@1")
    sboms = FoundSboms(documents=(document,), packages=(listed,))
    given = parts(read("a", "x"), config=ImageConfig(env=(f"DB_PASSWORD={PASSWORD}",)), sboms=sboms)
    assert PASSWORD not in repr(assembled(given, rules, max_files=10))
