"""Compiling: a mistake that types can show is found at load, with its place."""

import pytest

from tests.unit.evaluation.conftest import Policies
from watcher.evaluation.policies.reading import read_documents
from watcher.evaluation.rules.compile import compile_policies
from watcher.model.errors import PolicyError

HEAD = "apiVersion: watcher/v1\nkind: Policy\nmetadata: {name: p}\nlists: {a: [x]}\nrules:\n"


def complaints(rules: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        compile_policies(read_documents(HEAD + rules, "p.yaml").policies)
    return str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("- {id: a, when: image.config.usr == 'x'}", "6:29: undefined field 'usr' not found in struct 'Config'"),
        ("- {id: a, when: event.tag == 3}", "6:27: found no matching overload for '_==_' applied to '(string, int)'"),
        ("- {id: a, when: event.tag}", "6:17: `when` gives string, expected true or false"),
        ("- {id: a, when: event.tag ==}", "6:29: Syntax error: mismatched input '<EOF>'"),
        ("- {id: a, when: event.tag.globb('x')}", "6:32: undeclared reference to 'globb'"),
        ("- {id: a, when: 'true', message: 'a {{event.tga}}'}", "6:44: undefined field 'tga'"),
        ("- {id: a, when: 'true', message: 'a {{event.tag'}", "6:37: this {{ has no }}"),
        ("- {id: a, when: 'true', message: '{{event}}'}", "{{event}} is a Event; a message can hold text, numbers and lists"),
        ("- {id: a, when: 'true', message: '{{image.labels}}'}", "{{image.labels}} is map<string, string>"),
        ("- {id: a, each: packages as p, when: 'true', key: p.layer}", "`key` gives int, expected text"),
        ("- {id: a, each: packages as p, when: 'true', unless: p.nme == ''}", "6:55: undefined field 'nme'"),
        ("- {id: a, each: packages as p, require: 'true', message: '{{p.name}}'}", "undeclared reference to 'p.name'"),
        ("- {id: a, when: 'event.tag in lists[\"b\"]'}", "this policy has no list 'b'"),
        ("- {id: a, when: 'lists.b.size() > 0'}", "this policy has no list 'b'"),
        ("- {id: a, when: 'event.tag.matches(\"[\")'}", "invalid regular expression: missing ]: ["),
        ("- {id: a, when: 'packages.exists(p, true)'}", "go through its elements with `each: packages as p`"),
        ("- {id: a, when: '\"secret\" == data.malware_scn'}", "undefined field 'malware_scn'"),
        ("- {id: a, when: '" + "(" * 40 + "true" + ")" * 40 + "'}", "6:18: Expression recursion limit exceeded. limit: 32"),
        ("- {id: a, when: 'versionCompare(event.tag, \"1\") < 0'}", "undeclared reference to 'versionCompare'"),
    ],
)
def test_what_cannot_work_is_refused(rule: str, complaint: str) -> None:
    """A misspelt name, a wrong type, a pattern or a list that is not there: never a rule that silently finds nothing."""
    found = complaints(rule)
    assert found[0].startswith("p.yaml:6:")
    assert any(complaint in line for line in found)


def test_all_mistakes_are_told_together() -> None:
    """One run of `policy check` is enough to know what to change."""
    found = complaints("- {id: a, when: event.tga == ''}\n- {id: b, when: event.x == '' || event.y == ''}")
    assert [line.partition(": ")[0] for line in found] == ["p.yaml:6:22", "p.yaml:7:22", "p.yaml:7:39"]


def test_two_policies_of_one_name_are_refused() -> None:
    """A rule's name says whose it is."""
    policies = read_documents(f"{HEAD}- {{id: a, when: 'true'}}", "p.yaml").policies
    with pytest.raises(PolicyError, match=r"p\.yaml:3:18: there is already a policy called 'p'"):
        compile_policies([*policies, *policies])


@pytest.mark.parametrize(
    ("rule", "only_event"),
    [
        ("event.tag == 'x' && now > timestamp('2026-01-01T00:00:00Z')", True),
        ("event.tag in lists['a']", True),
        ("event.tag == image.digest", False),
        ("['x'].exists(image, image == event.tag)", True),
    ],
)
def test_what_a_rule_reads_comes_from_its_syntax(make_policies: Policies, rule: str, only_event: bool) -> None:
    """Rules that read nothing but the event can be decided about images that nobody looked into."""
    policies = make_policies(f'- {{id: r, when: "{rule}"}}', lists="{a: [x]}")
    assert policies.policies[0].rules[0].reads_only_event is only_event
