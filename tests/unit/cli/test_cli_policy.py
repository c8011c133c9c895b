"""`watcher policy check|test|schema`."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

POLICY = """\
apiVersion: watcher/v1
kind: Policy
metadata: {name: team, version: 1.0.0}
rules:
  - {id: root, action: fail, when: image.config.runs_as_root}
  - {id: suid, action: warn, each: files as f, when: f.suid}
"""
CASES = """\
apiVersion: watcher/v1
kind: PolicyTest
cases:
  - {name: root fails, input: {image: {config: {effective_uid: 0}}}, expect: {outcome: fail}}
  - {name: nothing passes, expect: {outcome: pass}}
"""
WRONG_CASE = "  - {name: never, expect: {outcome: fail}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "team.yaml").write_text(POLICY)
    (tmp_path / "policies" / "team_test.yaml").write_text(CASES)
    return tmp_path / "policies"


def test_good_policies_are_counted(watcher: Run, folder: Path) -> None:
    """What was checked is said, so that an empty folder is not taken for a good one."""
    assert watcher("policy", "check", folder).out == f"good: 1 policy, 2 rules, 2 test cases; of {folder}\n"
    answer = json.loads(watcher("policy", "check", folder, "-o", "json").out)
    assert (answer["problems"], answer["policies"]) == ([], [{"name": "team", "version": "1.0.0", "rules": 2}])


@pytest.mark.parametrize("command", ["check", "test"])
def test_without_anything_to_look_at_there_is_no_answer(watcher: Run, command: str) -> None:
    """In the wrong folder nobody is told that all is well."""
    said = "no PATH, no --pack and no configuration here, so that there is nothing to look at; name one: --pack baseline, --pack "
    ended = watcher("policy", command)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"watcher: {said}")
    as_json = watcher("policy", command, "-o", "json")
    assert (as_json.code, as_json.err) == (2, "")
    assert json.loads(as_json.out)["problems"][0].startswith(said)


@pytest.mark.parametrize("command", ["check", "test"])
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "policies: no document in it; expected policies in *.yaml or *.yml"),
        ({"a.yaml": "# nothing yet\n---\n# nor here\n"}, "policies: no document in it; expected policies in *.yaml or *.yml"),
        ({"a.json": "{}"}, "policies: no document in it; expected policies in *.yaml or *.yml"),
        ({"a.yaml": "apiVersion: v1\nkind: Pod\n"}, "policies/a.yaml:1:13: apiVersion is 'v1', expected 'watcher/v1'"),
    ],
)
def test_a_folder_without_policies_is_refused(
    watcher: Run, tmp_path: Path, command: str, written: dict[str, str], said: str
) -> None:
    """With what was looked at."""
    (tmp_path / "policies").mkdir()
    for name, text in written.items():
        (tmp_path / "policies" / name).write_text(text)
    ended = watcher("policy", command, "policies")
    assert (ended.code, ended.out, ended.err) == (2, "", f"watcher: {said}\n")


def test_tests_alone_are_no_policies_and_policies_alone_no_tests(watcher: Run, folder: Path) -> None:
    """A run of nothing is none that went well."""
    ended = watcher("policy", "check", folder / "team_test.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"watcher: {folder}/team_test.yaml: no Policy in it, so that nothing was checked\n"
    ended = watcher("policy", "test", folder / "team.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"watcher: {folder}/team.yaml: no PolicyTest in it, so that nothing was tested\n"


def test_a_configuration_says_which_policies_there_are(watcher: Run, tmp_path: Path) -> None:
    """One without a word of policies has the default pack, and that is said."""
    (tmp_path / "watcher.yaml").write_text("registries: [{host: a.example}]\n")
    assert watcher("policy", "check").out.endswith("; of watcher.yaml: the pack baseline\n")
    (tmp_path / "watcher.yaml").write_text("policies: {packs: []}\n")
    ended = watcher("policy", "check")
    assert (ended.code, ended.err) == (
        2,
        "watcher: watcher.yaml: no pack and no path: no Policy in it, so that nothing was checked\n",
    )


def test_a_configured_path_begins_beside_the_configuration(watcher: Run, folder: Path, tmp_path: Path) -> None:
    """Wherever the command is run, `policies.path` means the same."""
    (tmp_path / "etc").mkdir()
    config = tmp_path / "etc" / "w.yaml"
    config.write_text("policies: {packs: [], path: ../policies}\n")
    ended = watcher("policy", "check", "-c", config)
    assert ended.out == f"good: 1 policy, 2 rules, 2 test cases; of {config}: ../policies\n"


def test_a_wrong_policy_is_told_with_its_place(watcher: Run, folder: Path) -> None:
    """Exit code 2, one line per mistake, on stderr; as JSON on stdout."""
    (folder / "team.yaml").write_text(POLICY.replace("f.suid", "f.sued"))
    ended = watcher("policy", "check", folder)
    assert ended.code == 2
    assert ended.err.startswith(f"watcher: {folder}/team.yaml:6:")
    assert ended.out == ""
    ended = watcher("policy", "check", folder, "-o", "json")
    assert ended.code == 2
    assert json.loads(ended.out)["problems"][0].startswith(f"{folder}/team.yaml:6:")


def test_a_path_that_is_not_there_is_a_usage_error(watcher: Run) -> None:
    """A misspelt path must not check nothing and be content."""
    ended = watcher("policy", "check", "nowhere")
    assert (ended.code, ended.err) == (2, "watcher: nowhere: no such file or folder\n")


def test_passing_cases_are_summed_up(watcher: Run, folder: Path) -> None:
    """Rules that no case made fire are named."""
    ended = watcher("policy", "test", folder)
    assert ended.code == 0
    assert ended.out.splitlines() == ["never fired: team/suid", "2 passed, 0 failed, coverage 1/2 rules"]


def test_a_failing_case_is_told_with_its_place(watcher: Run, folder: Path) -> None:
    """Exit code 1, and what was found in place of what was expected."""
    (folder / "team_test.yaml").write_text(CASES + WRONG_CASE)
    ended = watcher("policy", "test", folder)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0] == f"FAIL {folder}/team_test.yaml:6:5: never: expected fail, got pass; found: nothing"
    assert lines[-1] == "2 passed, 1 failed, coverage 1/2 rules"


def test_coverage_below_the_wish_fails(watcher: Run, folder: Path) -> None:
    """50 % of the rules fire."""
    assert watcher("policy", "test", folder, "--min-coverage", "50").code == 0
    ended = watcher("policy", "test", folder, "--min-coverage", "51")
    assert ended.code == 1
    assert "coverage is 50 %, less than 51 %" in ended.out


def test_a_report_as_json(watcher: Run, folder: Path) -> None:
    """Everything that is printed for people is there for programs."""
    report = json.loads(watcher("policy", "test", folder, "-o", "json").out)
    assert (report["passed"], report["failed"], report["coverage_percent"]) == (2, 0, 50.0)
    assert report["never_fired"] == ["team/suid"]
    assert [(case["name"], case["outcome"]) for case in report["cases"]] == [("root fails", "fail"), ("nothing passes", "pass")]


def test_a_pack_brings_its_own_cases(watcher: Run) -> None:
    """Every rule of the default pack fires in one of them."""
    assert watcher("policy", "test", "--pack", "baseline", "--min-coverage", "100").code == 0


@pytest.mark.parametrize("kind", ["policy", "policytest", "config"])
def test_schemas_are_printed(watcher: Run, kind: str) -> None:
    """JSON Schemas, as editors read them."""
    assert json.loads(watcher("policy", "schema", "--kind", kind).out)["$schema"].startswith("https://json-schema.org/")
