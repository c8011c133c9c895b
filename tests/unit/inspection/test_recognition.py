"""A value whose fingerprint is known is recognised where it stands, whichever rule found it."""

import re

import pytest

from tests.unit.secrets.test_secret_rules import RULES, SAMPLES, Sample, some
from watcher.inspection.image.recognition import recognised
from watcher.model.inventory import SecretHit
from watcher.model.masking import is_unlike_words

# What is a word of a path, and no word of anything else.
WORDS = [each for each in SAMPLES if is_unlike_words(each.value) and not re.search(r"[\s\"'=:;,/@&?()]", each.value)]


def hit(rule: str, value: str, preview: str = "") -> SecretHit:
    return SecretHit(rule=rule, title="", path="a", line=1, fingerprint=RULES.fingerprint(value.encode()), preview=preview)


@pytest.mark.parametrize("sample", WORDS, ids=lambda sample: sample.rule)
def test_a_value_of_any_rule_is_recognised(sample: Sample) -> None:
    """In a text and in a path, also when another rule, or one that is no more, asks for other values."""
    for hits in ([hit(sample.rule, sample.value)], [hit(sample.rule, sample.value), hit("atlassian-token", "x"), hit("gone", "x")]):
        assert recognised([f"see {sample.value}, please"], [], hits, RULES) == {sample.value}
        assert recognised([], [f"srv/{sample.value}/x", "srv/y"], hits, RULES) == {sample.value}
    assert recognised([], [f"srv/{sample.value}/x"], [hit(sample.rule, sample.value[:-1])], RULES) == set()


@pytest.mark.parametrize("sample", WORDS, ids=lambda sample: sample.rule)
def test_a_value_is_recognised_by_what_it_begins_with(sample: Sample) -> None:
    """Beside others of its kind, and whatever a key's beginning is; where another has none that is known, too."""
    found = [each for each in RULES.scan_text(sample.text, "ENV") if each.fingerprint == RULES.fingerprint(sample.value.encode())]
    one = found or [hit(sample.rule, sample.value)]
    key = some(44) + "+" + some(20)
    paths = [f"srv/{one[0].preview}/x", f"srv/{sample.value}/x", f"srv/{key}"]
    assert recognised([], paths, one, RULES) == {sample.value}
    assert recognised([], paths, [*one, hit("private-key", key)], RULES) == {sample.value, key}
    assert recognised([], paths, [*one, hit("gone", key)], RULES) == {sample.value, key}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES.rules if rule.form == "pem"])
def test_a_key_on_one_line_is_recognised(rule: str) -> None:
    """Among names as long that are none, and as the last one; a line break in a name is what ends a word."""
    key = some(44) + "+" + some(20)
    names = [f"etc/{key}/x", f"etc/{key[:-1]}/y", f"etc/{some(30)}-{some(30)}.pem"]
    assert recognised([f"KEY={key}"], [], [hit(rule, key)], RULES) == {key}
    for paths in (names, names[::-1], ["é" * 30, f"etc/a\n{key}\nb"]):
        assert recognised([], paths, [hit(rule, key)], RULES) == {key}


def test_nothing_is_recognised_where_nothing_was_found() -> None:
    """Not even the empty word."""
    assert recognised(["", "a b"], ["", "a/b"], [], RULES) == set()
