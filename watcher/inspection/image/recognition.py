"""Knows values again that were found in files, of which nothing was kept but their fingerprints. Pure."""

import re
import string
from collections.abc import Collection, Iterable, Iterator

from watcher.inspection.secrets.rules import SecretRule, SecretRules
from watcher.inspection.secrets.values import MIN_PEM_CHARACTERS
from watcher.model.inventory import SecretHit
from watcher.model.masking import MIN_VALUE_WORD, is_unlike_words

# A word of a text, or a part of a path, that has a digit as every such value has. It begins behind what stands between words.
_BETWEEN = r"\s\"'=:;,/@&?()"
_WORDS = re.compile(rf"(?<![^{_BETWEEN}])[^{_BETWEEN}0-9]*+[0-9][^{_BETWEEN}]*+")

# Every byte as one of two: what a word of a key may have, and anything else.
_OF_KEYS = "".join("k" if chr(byte) in f"{string.ascii_letters}{string.digits}+" else " " for byte in range(256)).encode()
_KEY = b"k" * MIN_PEM_CHARACTERS


def recognised(texts: Iterable[str], paths: Iterable[str], hits: Collection[SecretHit], rules: SecretRules) -> set[str]:
    """The values of the hits that are words of the texts or the paths, and nothing else where they occur again.

    An image has a hundred thousand words, and a fingerprint costs microseconds: first a word is what the rules ask of their values.
    """
    if not hits:
        return set()
    fingerprints = {hit.fingerprint for hit in hits}
    by_id = {rule.id: rule for rule in rules.rules}
    found_by = [by_id.get(rule) for rule in {hit.rule for hit in hits}]
    keys_only = all(rule is not None and rule.form == "pem" for rule in found_by)
    shortest = MIN_PEM_CHARACTERS if keys_only else MIN_VALUE_WORD
    variety = min(map(_variety, found_by))
    if keys_only:
        # What is found most, and hardly any path has a word of that length: that shows in all of them at once.
        paths = _with_long_words("\n".join((*paths, "")).encode("utf-8", "replace"))
    return {
        word
        for word in set(_WORDS.findall("\n".join((*texts, *_names(paths)))))
        if len(word) >= shortest
        and len(set(word)) >= variety
        and is_unlike_words(word)
        and rules.fingerprint(word.encode("utf-8", "replace")) in fingerprints
    }


def _names(paths: Iterable[str]) -> set[str]:
    """Those of files and directories. Most files share their directories with others, and many their names."""
    names: set[str] = set()
    directories: set[str] = set()
    for path in paths:
        directory, _, name = path.rpartition("/")
        names.add(name)
        directories.add(directory)
    names.update(*(directory.split("/") for directory in directories))
    return names


def _with_long_words(lines: bytes) -> Iterator[str]:
    """Those lines that have room for a key."""
    letters = lines.translate(_OF_KEYS)
    at = letters.find(_KEY)
    while at >= 0:
        end = lines.find(b"\n", at)
        yield lines[lines.rfind(b"\n", 0, at) + 1 : end].decode()
        at = letters.find(_KEY, end)


def _variety(rule: SecretRule | None) -> float:
    """How many different characters a value has at least, to have the entropy that its rule asks for. All of them are ASCII."""
    return 0 if rule is None else 2**rule.min_entropy
