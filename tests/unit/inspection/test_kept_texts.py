"""Texts of configuration files, from the layer to the image: kept whole or not at all, and never with a secret in them."""

import tarfile
from pathlib import Path

import pytest

from tests.doubles.image_sources import entry
from tests.unit.inspection.test_layer_reader import KEY, facts, facts_of, sparse
from watcher.inspection.catalogers.kept_texts import KEPT_TEXTS, MAX_KEPT_BYTES, MAX_LAYER_BYTES, is_kept
from watcher.inspection.confined.parts import ROWS
from watcher.inspection.hiding import Hiding, carries, hidden_layer
from watcher.inspection.image.merge import merged_files
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import Content, Done, Limits, Rows
from watcher.model.digest import digest_of
from watcher.model.errors import WorkerFailedError
from watcher.model.inventory import FileTable, LayerFacts

SSHD = "etc/ssh/sshd_config"
LIMITS = Limits(plain_bytes=1 << 30, files=10, memory_bytes=1, cpu_seconds=1)


def contents(files: FileTable) -> dict[str, str]:
    return {files.path[row]: text for row, text in files.content.items()}


def image(*layers: LayerFacts) -> dict[str, str]:
    return contents(merged_files(layers))


def test_a_text_is_kept_by_its_place() -> None:
    """Whole, whatever its letters; not what is called that elsewhere, nor what else lies there."""
    found = facts(
        (SSHD, b"PermitRootLogin yes\n"),
        ("home/etc/ssh/sshd_config", b"PermitRootLogin no\n"),
        ("etc/ssh/moduli", b"2"),
        ("etc/sudoers.d/app", "# für alle\n".encode()),
        ("etc/sudoers.d/deeper/app", b"x"),
        ("etc/profile", b""),
    )
    assert contents(found.files) == {SSHD: "PermitRootLogin yes\n", "etc/sudoers.d/app": "# für alle\n", "etc/profile": ""}


def test_a_text_is_of_its_entry_however_many_come_before_and_after() -> None:
    """Entries are told in lists, texts as they come by."""
    others = [(f"srv/f{number}", b"") for number in range(2 * ROWS - 1)]
    found = facts(*others[: ROWS - 1], (SSHD, b"a"), *others[ROWS - 1 :], ("etc/profile", b"b"))
    assert contents(found.files) == {SSHD: "a", "etc/profile": "b"}


@pytest.mark.parametrize(
    "content",
    [b"Port 22\0", b"# caf\xe9\n", b"#" * (MAX_KEPT_BYTES + 1), b"Match User x # " + KEY],
    ids=["NUL", "latin-1", "large", "secret"],
)
def test_what_is_no_short_text_without_secrets_is_not_kept(content: bytes) -> None:
    """Neither a part of it: a rule that reads it is undecided."""
    assert contents(facts((SSHD, content), ("etc/profile", b"kept")).files) == {"etc/profile": "kept"}


def test_no_text_with_a_secret_of_another_file_is_kept() -> None:
    """Nor one under another name of a file with a secret in it."""
    found = facts(
        ("srv/key", b"id " + KEY),
        ("etc/profile", b"# nothing"),
        ("etc/profile.d/a.sh", b"X=" + KEY[4:] + b"\nY=" + KEY),
        entry("etc/profile.d/b.sh", tarfile.LNKTYPE, "etc/profile.d/a.sh"),
    )
    assert KEY.decode() not in repr(found)
    assert image(found) == {"etc/profile": "# nothing"}


def test_a_password_of_the_configuration_is_not_kept_either() -> None:
    """It is known only where the image is; such facts of a layer are not kept for others."""
    found = facts((SSHD, b"# hunter2-k9xQ2b7pLw\n"), ("etc/profile", b"kept"))
    assert carries(found, ["hunter2-k9xQ2b7pLw"])
    hidden = hidden_layer(found, Hiding(texts={"hunter2-k9xQ2b7pLw": "***"}))
    assert contents(hidden.files) == {"etc/profile": "kept"}


def test_of_one_layer_no_more_is_kept_than_fits() -> None:
    """The rest is not kept, whatever it is."""
    many = MAX_LAYER_BYTES // MAX_KEPT_BYTES + 4
    found = facts(*((f"etc/cron.d/job{number:02}", b"#" * MAX_KEPT_BYTES) for number in range(many)), (SSHD, b"late"))
    assert len(found.files.content) == MAX_LAYER_BYTES // MAX_KEPT_BYTES
    assert SSHD not in contents(found.files)


def test_a_text_that_its_layer_replaces_is_not_that_of_the_file() -> None:
    """The last entry of a path is the file."""
    assert contents(facts((SSHD, b"first"), (SSHD, b"second")).files) == {SSHD: "second"}
    assert contents(facts((SSHD, b"first"), entry(SSHD, tarfile.SYMTYPE, "elsewhere")).files) == {}
    assert image(facts((SSHD, b"first"), (SSHD, b"\0"))) == {}


def test_an_upper_layer_replaces_removes_and_links_texts() -> None:
    """A hard link has the text of its file, in whichever layer that is."""
    base = facts((SSHD, b"a"), ("etc/profile", b"b"), ("etc/sudoers", b"c"))
    linked = facts(entry("etc/ssh/ssh_config", tarfile.LNKTYPE, SSHD))
    top = facts((SSHD, b"d"), ("etc/.wh.profile", b""), ("etc/sudoers", b"\0"))
    assert image(base) == {SSHD: "a", "etc/profile": "b", "etc/sudoers": "c"}
    assert image(base, linked) == {SSHD: "a", "etc/ssh/ssh_config": "a", "etc/profile": "b", "etc/sudoers": "c"}
    assert image(base, linked, top) == {SSHD: "d", "etc/ssh/ssh_config": "a"}


def test_a_symbolic_link_has_the_text_of_the_file_it_leads_to() -> None:
    """Through other links and layers, if that is kept; whatever else is called as it is does not count."""
    base = facts(("etc/authselect/sudo", b"auth"), ("srv/sudo", b"other"), link("etc/pam.d/su", "sudo"))
    top = facts(
        link("etc/pam.d/sudo", "/etc/authselect/sudo"), link("etc/pam.d/login", "/srv/sudo"), link("srv/x", "/etc/pam.d/su")
    )
    assert image(base) == {"etc/authselect/sudo": "auth"}
    assert image(base, top) == dict.fromkeys(("etc/authselect/sudo", "etc/pam.d/su", "etc/pam.d/sudo"), "auth")
    assert image(base, top, facts(("etc/authselect/.wh.sudo", b""))) == {}


def link(path: str, target: str) -> tarfile.TarInfo:
    return entry(path, tarfile.SYMTYPE, target)


def test_a_sparse_text_is_kept_with_its_holes_or_not_at_all() -> None:
    """A hole is zeros, and so no text."""
    assert contents(facts_of(sparse(SSHD, (0, b"ab"), (4, b"c")) + bytes(1024)).files) == {}
    assert contents(facts_of(sparse(SSHD, (0, b"ab"), (2, b"c")) + bytes(1024)).files) == {SSHD: "abc"}


@pytest.mark.parametrize(
    ("messages", "lie"),
    [
        ([Content(row=0, text="x")], "nobody asked for"),
        ([Content(row=2, text="x")], "nobody asked for"),
        ([Content(row=-1, text="x")], "nobody asked for"),
        ([Content(row=1, text="x" * (MAX_KEPT_BYTES + 1))], "more text"),
        ([Content(row=1, text="ü" * MAX_KEPT_BYTES)] * 9, "more text"),
    ],
)
def test_a_worker_cannot_put_texts_where_none_are_kept(messages: list[Content], lie: str) -> None:
    """Nor more of them than a truthful one."""
    collector = Collector(LIMITS)
    numbers = [0, 0]
    collector.add(Rows(path=["etc/shadow", SSHD], kind="ff", mode=numbers, uid=numbers, gid=numbers, size=numbers, link=["", ""]))
    with pytest.raises(WorkerFailedError, match=lie):
        for message in messages:
            collector.add(message)
        collector.add(Done(compressed_bytes=1, plain_bytes=1))
        collector.facts(digest_of(b""), ())


def test_nothing_that_holds_credentials_is_on_the_list() -> None:
    """Whatever is found in it or not."""
    assert not any(map(is_kept, ("etc/shadow", "root/.npmrc", "etc/pip.conf", "root/.netrc", "root/.docker/config.json")))


def test_the_documentation_lists_them() -> None:
    """Every one, with what it decides."""
    page = (Path(__file__).parents[3] / "docs/reference/inspection.md").read_text()
    for about, patterns in KEPT_TEXTS.items():
        listed = ", ".join(f"`/{pattern}`" for pattern in patterns)
        assert f"| {about} | {listed} |" in page
