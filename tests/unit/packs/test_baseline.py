"""Pack `baseline`: the distributions' own images have nothing to hide."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from watcher.evaluation.policies.loading import load_policies
from watcher.evaluation.protocol import Case
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.model.digest import Digest
from watcher.model.image import OCI_MANIFEST, ImageConfig
from watcher.model.inventory import Base, Distro, FileTable, Inventory, LayerSummary
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.model.verdict import Outcome, Section, Subject

ROOT = Path(__file__).parents[3]
BASES = ROOT / "tests" / "fixtures" / "bases"
LAYER = Digest("sha256:" + "b" * 64)


def baseline() -> PolicySet:
    sources = load_policies(["baseline"])
    return PolicySet.compile(sources.documents.policies, revision=sources.revision)


def listing(name: str) -> FileTable:
    """A line `kind mode uid gid`, then its paths."""
    table = FileTable()
    kind, mode, uid, gid = "", 0, 0, 0
    for line in (BASES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            kind, mode_text, uid_text, gid_text = line.split(" ")
            mode, uid, gid = int(mode_text, 8), int(uid_text), int(gid_text)
            continue
        table.path.append(line[1:])
        table.kind.append(kind)
        table.mode.append(mode)
        table.uid.append(uid)
        table.gid.append(gid)
        table.size.append(0)
        table.link.append("")
        table.layer.append(0)
    return table


def distro(name: str) -> Distro:
    text = (BASES / f"{name}.os-release").read_text(encoding="utf-8")
    values = {key: value.strip('"') for key, _, value in (line.partition("=") for line in text.splitlines())}
    return Distro(id=values["ID"], version=values.get("VERSION_ID", ""), name=values["PRETTY_NAME"], known=True)


def base_image(name: str, *, files: FileTable, user: str = "1000", uid: int = 1000) -> Case:
    inventory = Inventory(
        digest=Digest("sha256:" + "a" * 64),
        media_type=OCI_MANIFEST,
        platform="linux/amd64",
        config_digest=Digest("sha256:" + "c" * 64),
        config=ImageConfig(os="linux", architecture="amd64", user=user),
        annotations={},
        compressed_bytes=1,
        layers=(LayerSummary(digest=LAYER, media_type="", compressed_bytes=1),),
        effective_uid=uid,
        distro=distro(name),
        base=Base(),
        packages=(),
        files=files,
        users=(),
        secrets=(),
        sections={section: Section() for section in ("config", "packages", "files", "secrets", "users", "base", "distro")},
        facts_revision="",
    )
    subject = Subject(
        registry=Host("registry.example.com"),
        repository=RepositoryName("team/app"),
        digest=inventory.digest,
        tags=(Tag("v1"),),
        environment="production",
    )
    return Case(subject=subject, now=datetime(2026, 1, 1, tzinfo=UTC), tag=Tag("v1"), inventory=inventory)


@pytest.mark.parametrize("name", ["debian-12-slim", "alpine-3.17"])
def test_a_distribution_s_own_base_has_no_finding(name: str) -> None:
    """With a USER set, and nothing of one's own on top."""
    judgement = baseline().evaluate(base_image(name, files=listing(name)))
    assert judgement.findings == ()
    assert judgement.outcome is Outcome.PASS


def test_a_file_of_one_s_own_on_debian_is_found() -> None:
    """The listing is looked at, not only passed over."""
    files = listing("debian-12-slim")
    assert len(files) > 6000
    files.mode[files.path.index("usr/bin/find")] = 0o4755
    judgement = baseline().evaluate(base_image("debian-12-slim", files=files, user="", uid=0))
    assert [(finding.rule, finding.key) for finding in judgement.findings] == [
        ("baseline/user-required", ""),
        ("baseline/setuid-files", "/usr/bin/find"),
    ]
