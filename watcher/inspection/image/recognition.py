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
    variety = min(map(_variety, found_by))
    shortest = MIN_PEM_CHARACTERS if all(map(_is_key, found_by)) else MIN_VALUE_WORD
    beginnings = {hit.preview for hit in hits if not _is_key(by_id.get(hit.rule))}
    if all(beginnings):
        # What tokens of a kind begin with, or a word as long as a key, hardly any path has: that shows in all of them at once.
        lines = "\n".join((*paths, "")).encode("utf-8", "replace")
        paths = set(_possible(lines, beginnings, keys=any(map(_is_key, found_by))))
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


def _possible(lines: bytes, beginnings: Iterable[str], *, keys: bool) -> Iterator[str]:
    """Those lines that have one of the beginnings in them, or room for a key."""
    for beginning in beginnings:
        yield from _lines_with(beginning.encode(), lines, lines)
    if keys:
        yield from _lines_with(_KEY, lines.translate(_OF_KEYS), lines)


def _lines_with(part: bytes, text: bytes, lines: bytes) -> Iterator[str]:
    """Those of the lines where `text`, which is as long as they are, has the part."""
    at = text.find(part)
    while at >= 0:
        end = lines.find(b"\n", at)
        yield lines[lines.rfind(b"\n", 0, at) + 1 : end].decode()
        at = text.find(part, end)


def _is_key(rule: SecretRule | None) -> bool:
    return rule is not None and rule.form == "pem"


def _variety(rule: SecretRule | None) -> float:
    """How many different characters a value has at least, to have the entropy that its rule asks for. All of them are ASCII."""
    return 0 if rule is None else 2**rule.min_entropy
