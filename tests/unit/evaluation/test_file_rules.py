"""Rules about files: an image has a hundred thousand of them, and a rule's cost follows what it reads."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.evaluation.conftest import TOP_LAYER, Cases, Policies
from watcher.evaluation.document.files import TableFiles
from watcher.model.inventory import FileTable
from watcher.model.verdict import Evidence


def table(*rows: tuple[str, str, int], layer: int = 1) -> FileTable:
    """Rows of (path, kind, mode)."""
    return FileTable(
        path=[path for path, _, _ in rows],
        kind=[kind for _, kind, _ in rows],
        mode=[mode for _, _, mode in rows],
        uid=[0] * len(rows),
        gid=[42] * len(rows),
        size=[1] * len(rows),
        link=[""] * len(rows),
        layer=[layer] * len(rows),
    )


def many(count: int) -> FileTable:
    return table(*((f"usr/lib/{number % 100}/f{number}", "f", 0o644) for number in range(count)))


def keys(make_policies: Policies, make_case: Cases, rule: str, files: FileTable) -> list[str]:
    judgement = make_policies(f"- {{id: r, each: files as f, {rule}}}", lists="{l: [/etc/b]}").evaluate(make_case(files=files))
    return [finding.key for finding in judgement.findings]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("when: f.suid", ["/usr/bin/su", "/usr/bin/su2"]),
        ("when: f.sgid", ["/usr/bin/chage"]),
        ("when: f.suid || f.sgid, unless: 'f.path == \"/usr/bin/su\"'", ["/usr/bin/chage", "/usr/bin/su2"]),
        ("when: f.world_writable", ["/open", "/open-directory"]),
        ("when: 'f.type == \"symlink\"'", ["/link"]),
        ("when: 'true', path: '/usr/**'", ["/usr/bin/chage", "/usr/bin/su", "/usr/bin/su2"]),
        ("when: 'true', path: '**/su*'", ["/usr/bin/su", "/usr/bin/su2"]),
        ("when: 'true', path: '*'", []),
        ("when: 'f.path.startsWith(\"/o\")'", ["/open", "/open-directory"]),
        ("when: 'f.mode == 0'", []),
        ("when: 'f.layer == 1 && f.from_base'", []),
    ],
)
def test_attributes_follow_from_type_and_mode(make_policies: Policies, make_case: Cases, rule: str, found: list[str]) -> None:
    """Set-id bits count for files, hard links included; write permission for anybody but for links and sticky directories."""
    files = table(
        ("usr/bin/su", "f", 0o4755),
        ("usr/bin/su2", "h", 0o4755),
        ("usr/bin/chage", "f", 0o2755),
        ("var/mail", "d", 0o2775),
        ("link", "l", 0o777),
        ("open", "f", 0o666),
        ("open-directory", "d", 0o777),
        ("tmp", "d", 0o1777),
    )
    assert keys(make_policies, make_case, rule, files) == found


def test_a_file_s_place_is_its_evidence(make_policies: Policies, make_case: Cases) -> None:
    """The layer that brought it and the step that made the layer."""
    policies = make_policies("- {id: r, each: files as f, when: f.suid, message: '{{f.path}} {{f.uid}} {{f.gid}}'}")
    (finding,) = policies.evaluate(make_case(files=table(("a", "f", 0o4755)))).findings
    assert finding.message == "/a 0 42"
    assert finding.evidence == Evidence(layer=TOP_LAYER, layer_index=1, created_by="COPY . / # buildkit", path="/a")


def test_a_rule_that_reads_the_path_finds_the_one_file_in_thousands(make_policies: Policies, make_case: Cases) -> None:
    """Files are asked about in lists, and one by one where a list holds a hit."""
    files = many(3000)
    assert keys(make_policies, make_case, "when: 'f.path == \"/usr/lib/55/f2055\"'", files) == ["/usr/lib/55/f2055"]


def test_an_error_in_one_file_does_not_hide_the_others(make_policies: Policies, make_case: Cases) -> None:
    """Hits stand; those that could not be evaluated are counted in one finding."""
    files = table(*((f"f{number}", "f", number) for number in range(200)))
    assert keys(make_policies, make_case, "when: '10 / (f.mode - 7) == 10'", files) == ["/f8", "error"]


def test_a_condition_too_large_for_a_list_is_asked_one_by_one(make_policies: Policies, make_case: Cases) -> None:
    """The budget of one evaluation is 9 999 steps; a list of files may need more than one file does."""
    rule = "when: '[0,1,2,3,4,5,6,7,8,9].exists(a, [0,1,2,3,4,5,6,7,8,9].exists(b, [0,1,2].exists(c, a + b + c == f.mode - 100)))'"
    files = table(*((f"f{number:03}", "f", number) for number in range(128)))
    assert keys(make_policies, make_case, rule, files) == [f"/f{number}" for number in range(100, 121)]


def test_files_that_are_alike_share_one_answer() -> None:
    """Rows are told apart only by what a rule reads."""
    files = TableFiles(table=many(1000), layer_digests=())
    assert set(files.classes(range(1000), frozenset({"suid", "sgid"}))) == {("f", 0o644)}
    assert set(files.classes([1, 2], frozenset({"layer_digest"}))) == {1}
    assert len(set(files.classes(range(1000), None))) == 1000
    assert set(files.classes(range(1000), frozenset())) == {()}


def test_content_that_was_not_kept_is_missing_not_empty(make_policies: Policies, make_case: Cases) -> None:
    """A file whose content nobody kept leaves the rule undecided; where there is no such file there is nothing to decide."""
    rule = "path: /etc/ssh/sshd_config, when: '!f.content.contains(\"Protocol 2\")'"
    assert keys(make_policies, make_case, rule, table(("etc/ssh/sshd_config", "f", 0o644))) == ["error"]
    assert keys(make_policies, make_case, rule, table(("etc/other", "f", 0o644))) == []
    asked = "path: '/etc/**', when: 'has(f.sha256) && f.sha256 == \"x\"'"
    assert keys(make_policies, make_case, asked, table(("etc/a", "f", 0o644))) == []


def test_require_and_max_work_on_files(make_policies: Policies, make_case: Cases) -> None:
    """One that is there is enough, and some may be."""
    files = table(("etc/a", "f", 0o644), ("etc/b", "f", 0o644))
    assert keys(make_policies, make_case, "path: /etc/a, require: 'true'", files) == []
    assert keys(make_policies, make_case, "path: /etc/c, require: 'true'", files) == [""]
    assert keys(make_policies, make_case, "when: 'true', max: 2", files) == []
    assert keys(make_policies, make_case, "when: 'true', max: 1", files) == ["/etc/a", "/etc/b"]
    assert keys(make_policies, make_case, "when: 'f.path in lists[\"l\"]'", files) == ["/etc/b"]


@pytest.mark.parametrize("huge", [2**63, 2**70])
def test_numbers_beyond_64_bits_are_the_largest_there_is(make_policies: Policies, make_case: Cases, huge: int) -> None:
    """A tar header can hold them; protobuf cannot."""
    files = table(("a", "f", 0o644))
    columns: Sequence[list[Any]] = (files.uid, files.gid, files.size)
    for column in columns:
        column[0] = huge
    assert keys(make_policies, make_case, "when: 'f.uid == 9223372036854775807 && f.size == f.gid'", files) == ["/a"]


def test_a_text_that_was_not_kept_is_not_judged(make_policies: Policies, make_case: Cases) -> None:
    """Of those that were, each by what it says; an empty one is kept."""
    files = table(*((f"etc/{name}", "f", 0o644) for name in ("sshd_config", "profile", "empty", "all")), ("etc/links", "l", 0o777))
    files.content.update({0: "Port 22\nPermitRootLogin yes\n", 1: "umask 022\n", 2: ""})
    root = "'f.content.matches(\"(?m)^PermitRootLogin yes\")'"
    assert keys(make_policies, make_case, f"when: {root}, path: '/etc/*'", files) == ["/etc/sshd_config", "error"]
    assert keys(make_policies, make_case, f"when: {root}, path: '/etc/*e*'", files) == []
    assert keys(make_policies, make_case, f"when: 'has(f.content) && {root[1:]}, path: '/etc/*'", files) == ["/etc/sshd_config"]


def test_what_has_no_content_is_not_undecided(make_policies: Policies, make_case: Cases) -> None:
    """A directory below the path of the rule is neither found nor left open."""
    files = table(("etc/pam.d", "d", 0o755), ("etc/pam.d/su", "f", 0o644))
    files.content[1] = "auth"
    rule = "when: '!f.content.contains(\"sufficient\")', path: '/etc/**'"
    assert keys(make_policies, make_case, rule, files) == ["/etc/pam.d/su"]
    files.kind[1] = "l"
    files.content.clear()
    assert keys(make_policies, make_case, rule, files) == ["error"]
