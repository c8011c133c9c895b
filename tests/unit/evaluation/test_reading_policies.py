"""Policy documents: what is wrong with one is told with its place, all of it at once."""

import pytest

from watcher.evaluation.document.variables import COLLECTIONS
from watcher.evaluation.policies.reading import list_files_of, read_documents
from watcher.model.errors import PolicyError

HEAD = "apiVersion: watcher/v1\nkind: Policy\nmetadata: {name: p}\n"


def complaints(text: str, **lists: tuple[str, ...]) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        read_documents(text, "p.yaml", lists)
    return str(raised.value).splitlines()


def test_a_policy_is_read_with_its_defaults() -> None:
    """A rule is a fail about security that is undecided without its data, unless it says otherwise."""
    (policy,) = read_documents(HEAD + "rules: [{id: one, when: 'true'}]", "p.yaml").policies
    (rule,) = policy.document.rules
    assert (rule.action, rule.category, rule.on_missing, rule.enforce_from) == ("fail", "security", "unknown", None)
    assert policy.document.metadata.version == "0.0.0"


def test_every_mistake_is_told_at_its_place() -> None:
    """Wrong values, unknown keys, missing keys: one line each, in one go."""
    text = """\
apiVersion: watcher/v1
kind: Policy
metadata:
  name: Bad_Name
  versoin: 1
lists:
  a: [1, x]
rules:
  - id: one
    when: 'true'
    action: block
    enforce_from: soon
  - title: x
    when: "true"
  - {id: four, unknwn: 3, when: "true", references: [1], max: -1}
  - 7
  - {id: Five, when: "true", each: things as t}
"""
    assert complaints(text) == [
        "p.yaml:4:9: `name`: expected lower-case letters, digits and dashes, at most 63",
        "p.yaml:5:12: unknown key 'versoin'; did you mean 'version'?",
        "p.yaml:6:1: expected `str`, got `int`",
        "p.yaml:11:13: `action`: invalid enum value 'block'; expected fail, warn, note",
        "p.yaml:12:19: invalid RFC3339 encoded date",
        "p.yaml:13:5: `id` is missing",
        "p.yaml:15:24: unknown key 'unknwn'",
        "p.yaml:15:54: expected `str`, got `int`",
        "p.yaml:15:63: expected `int` >= 0",
        "p.yaml:16:5: expected `object`, got `int`",
        "p.yaml:17:10: `id`: expected lower-case letters, digits and dashes, at most 63",
        f"p.yaml:17:36: `each`: expected `packages as p`, with one of {', '.join(COLLECTIONS)}",
    ]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("{id: a}", "4:14: a rule has either `when` or `require`"),
        ("{id: a, when: x, each: files as f, require: x}", "a rule has either `when` or `require`"),
        ("{id: a, when: x, path: '**'}", "`path` needs `each`"),
        ("{id: a, require: x}", "`require` needs `each`"),
        ("{id: a, when: x, max: 3}", "`max` needs `each`"),
        ("{id: a, when: x, key: x}", "`key` needs `each`"),
        ("{id: a, when: x, each: packages as p, path: '**'}", "`path` goes with `each: files as …` only"),
        ("{id: a, when: x, each: packages as event}", "'event' already means something else; use another name"),
        ("{id: a, require: x, each: packages as p, max: 3}", "`require` has one finding"),
        ("{id: a, when: x}, {id: a, when: x}", "a rule of this policy is already called 'a'"),
        (
            "{id: a, when: x, each: things as t}",
            "expected `packages as p`, with one of packages, declared, sbom_missing, sbom_extra",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused(rule: str, complaint: str) -> None:
    """What a key needs and what it excludes is checked before any expression is."""
    (found,) = complaints(f"{HEAD}rules: [{rule}]")
    assert complaint in found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("apiVersion: watcher/v2\nkind: Policy", "p.yaml:1:13: apiVersion is 'watcher/v2', expected 'watcher/v1'"),
        ("apiVersion: watcher/v1\nkind: Thing", "p.yaml:2:7: kind is 'Thing', expected Policy or PolicyTest"),
        ("apiVersion: watcher/v1\nkind: Exceptions", "p.yaml:2:7: exceptions are not supported by this version"),
        ("just text", "p.yaml:1:1: expected a document with apiVersion and kind"),
        (HEAD + "rules: []", "p.yaml:4:1: expected `array` of length >= 1"),
        (HEAD + "rules: [{id: a, when: x, id: b}]", "p.yaml:4:26: duplicate key 'id'"),
        (HEAD + "rules: [{id: a, when: x}", "p.yaml:5:1: did not find expected"),
        (HEAD.replace("name: p", "name: policies") + "rules: [{id: a, when: x}]", "'policies' is taken"),
        (HEAD + "lists: {l: {from: l.txt}}\nrules: [{id: a, when: x}]", "list file 'l.txt' cannot be read"),
    ],
)
def test_documents_of_another_kind_are_refused(text: str, complaint: str) -> None:
    """A document that is not ours is told apart from one that is wrong."""
    (found,) = complaints(text)
    assert complaint in found


def test_one_file_may_hold_several_documents() -> None:
    """Policies and their tests may share a file; an empty document is none."""
    text = (
        HEAD
        + "rules: [{id: one, when: 'true'}]\n---\n---\n"
        + "apiVersion: watcher/v1\nkind: PolicyTest\ncases: [{name: x, expect: {outcome: pass}}]"
    )
    documents = read_documents(text, "p.yaml")
    assert (len(documents.policies), len(documents.tests)) == (1, 1)


def test_a_list_may_be_kept_in_a_file() -> None:
    """The entries of a list file take the list's place; the files are known before the policy is read."""
    text = HEAD + "lists: {a: [x], b: {from: b.txt}}\nrules: [{id: one, when: 'true'}]"
    assert list_files_of(text, "p.yaml") == ["b.txt"]
    (policy,) = read_documents(text, "p.yaml", {"b.txt": ("y", "z")}).policies
    assert policy.lists == {"a": ("x",), "b": ("y", "z")}


def test_a_text_that_is_no_yaml_has_no_list_files() -> None:
    """What is wrong with it is told when it is read."""
    assert list_files_of("a: [", "p.yaml") == []
