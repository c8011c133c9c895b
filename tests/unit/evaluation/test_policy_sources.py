"""Where policies come from, and the revision that names them."""

from pathlib import Path

import msgspec
import pytest

from watcher.evaluation.policies.loading import load_policies, load_settings, pack_names
from watcher.evaluation.settings import PolicySettings
from watcher.model.errors import PolicyError
from watcher.model.verdict import PolicyName

POLICY = "apiVersion: watcher/v1\nkind: Policy\nmetadata: {name: own, version: 2.0.0}\nrules: [{id: r, when: 'true'}]\n"
TEST = "apiVersion: watcher/v1\nkind: PolicyTest\ncases: [{name: c, expect: {outcome: fail}}]\n"


def test_packs_and_own_files_are_read_together(tmp_path: Path) -> None:
    """A folder is read with everything below it, in order of names."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "own.yml").write_text(POLICY)
    (tmp_path / "own_test.yaml").write_text(TEST)
    (tmp_path / "notes.txt").write_text("not policy")
    sources = load_policies(["baseline"], [tmp_path])
    assert [policy.name for policy in sources.policies] == ["baseline", "own"]
    assert sources.policies[1] == PolicyName(name="own", version="2.0.0")
    assert len(sources.documents.tests) == 2


def test_settings_name_the_same_things(tmp_path: Path) -> None:
    """A relative path is beside the configuration file."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.yaml").write_text(POLICY)
    settings = msgspec.convert(
        {"packs": [], "path": "policies", "on_no_match": "unknown"},
        PolicySettings,
    )
    sources = load_settings(settings, beside=tmp_path)
    assert ([policy.name for policy in sources.policies], sources.on_no_match) == (["own"], "unknown")
    assert PolicySettings().packs == ("baseline",)


def test_what_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """Packs, paths and documents: all complaints together."""
    (tmp_path / "bad.yaml").write_text("kind: Policy")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError) as raised:
        load_policies(["none"], [tmp_path / "nowhere", tmp_path / "bad.yaml"])
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("policies.packs: no pack 'none'; there are: ")
    assert "baseline" in lines[0]
    assert lines[1] == f"{tmp_path}/nowhere: no such file or folder"
    assert lines[2].startswith(f"{tmp_path}/bad.yaml:1:1: apiVersion is None")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policies([], [tmp_path / "binary.yaml"])


def test_a_list_of_a_pack_can_be_replaced() -> None:
    """By its name; a name that no pack has is an error."""
    (policy,) = load_policies(lists={"trusted_bases": ["a/**"]}).documents.policies
    assert policy.lists["trusted_bases"] == ("a/**",)
    with pytest.raises(PolicyError, match=r"policies\.lists: no pack has a list 'trusted_base'; there are: .*trusted_bases"):
        load_policies(lists={"trusted_base": []})


def test_a_list_of_an_own_policy_is_its_own(tmp_path: Path) -> None:
    """Only packs are configured from outside."""
    (tmp_path / "own.yaml").write_text(POLICY.replace("rules:", "lists: {trusted_bases: [x]}\nrules:"))
    sources = load_policies(["baseline"], [tmp_path], {"trusted_bases": ["y"]})
    assert {policy.document.metadata.name: policy.lists["trusted_bases"] for policy in sources.documents.policies} == {
        "baseline": ("y",),
        "own": ("x",),
    }


def test_a_list_file_is_beside_its_policy(tmp_path: Path) -> None:
    """One entry a line; `#` begins a comment."""
    (tmp_path / "own.yaml").write_text(POLICY.replace("rules:", "lists: {l: {from: l.txt}}\nrules:"))
    (tmp_path / "l.txt").write_text("# ours\na/**   # all of it\n\nb#c\n")
    (policy,) = load_policies([], [tmp_path]).documents.policies
    assert policy.lists == {"l": ("a/**", "b#c")}


def test_the_revision_names_what_can_change_a_verdict(tmp_path: Path) -> None:
    """Comments, file names and tests do not; rules, lists and `on_no_match` do."""
    own = tmp_path / "own.yaml"
    own.write_text(POLICY.replace("rules:", "lists: {l: {from: l.txt}}\nrules:"))
    entries = tmp_path / "l.txt"
    entries.write_text("a\n")
    first = load_policies([], [tmp_path]).revision
    own.write_text("# a comment\n" + own.read_text() + "---\n" + TEST)
    own.rename(tmp_path / "other.yaml")
    entries.write_text("# a comment\na\n")
    assert load_policies([], [tmp_path]).revision == first
    revisions = {first, load_policies([], [tmp_path], on_no_match="pass").revision}
    entries.write_text("b\n")
    revisions.add(load_policies([], [tmp_path]).revision)
    (tmp_path / "other.yaml").write_text((tmp_path / "other.yaml").read_text().replace("'true'", "'false'"))
    revisions.add(load_policies([], [tmp_path]).revision)
    assert len(revisions) == 4
    assert all(revision.startswith("sha256:") and len(revision) == 71 for revision in revisions)


def test_there_are_packs() -> None:
    """Their tests are not packs."""
    assert pack_names() == ["baseline", "vulnerabilities"]


@pytest.mark.parametrize(
    "files",
    [{}, {"notes.txt": "x"}, {".hidden/policy.yaml": POLICY}, {"policy.yaml": "# nothing in force yet\n"}, {"policy.yaml": ""}],
    ids=["empty", "other-files", "hidden", "comments", "empty-file"],
)
def test_a_folder_that_holds_no_policy_is_an_error(tmp_path: Path, files: dict[str, str]) -> None:
    """Whoever named it believes that something of it is in force: "0 policies" would pass every image or none."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(PolicyError, match=r"no document in it; expected policies in \*\.yaml or \*\.yml"):
        load_policies((), [tmp_path])


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """Kubernetes keeps the files in a hidden folder and links to them."""
    kept = tmp_path / "..2026_11_28"
    kept.mkdir()
    (kept / "policy.yaml").write_text(POLICY)
    (tmp_path / "..data").symlink_to(kept.name)
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    assert len(load_policies((), [tmp_path]).policies) == 1


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    """With what the system says of it; it is not the same as a path that is not there."""
    with pytest.raises(PolicyError, match="cannot be read: File name too long"):
        load_policies((), [tmp_path / ("x" * 300)])
    (tmp_path / "file.yaml").write_text(POLICY)
    with pytest.raises(PolicyError, match="no such file or folder"):
        load_policies((), [tmp_path / "file.yaml" / "inside"])
