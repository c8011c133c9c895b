"""Credentials in bytes: which expressions find them, and what of a hit is one.

Finding is hyperscan's work, over the raw layer. Here a hit is confirmed: `re` on the bytes around it gives the exact value, which
is then judged by its entropy, by whether it is a placeholder, and by the file it stands in. No hit has the value in it.
"""

import hmac
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import chain
from typing import Literal

import msgspec

from watcher.inspection.secrets.encodings import Fragment, decoded, fragments_of, narrowed, wide_expression
from watcher.inspection.secrets.values import (
    SELF_TEST_KEYS,
    entropy,
    is_documented,
    is_example_path,
    is_fingerprint,
    is_mixed,
    is_package_path,
    is_placeholder,
    is_public,
    is_self_test_key,
    unwrapped,
)
from watcher.kit.yaml_source import parse_yaml
from watcher.model.errors import ConfigurationError
from watcher.model.first_use import known
from watcher.model.inventory import SecretHit

RULES_FILE = "rules.yaml"

# To be raised whenever the same bytes would give other secrets, by these rules or by what searches and judges: every layer is then
# read again.
VERSION = 5

# What a caller should keep around the end of a hit: the longest token, a JWT with its claims, before it; after it the first
# 512 characters of a private key and its line breaks, also in base64.
WINDOW_BEFORE_BYTES = 4096
WINDOW_AFTER_BYTES = 1024

# A text with more credentials than that is a list of them; the rest would tell nobody anything new.
MAX_HITS_A_TEXT = 1000

# HS_FLAG_CASELESS of the hyperscan API, named here since this module does not need the library.
CASELESS = 1

# No match begins further before the end of its hit, but for those of a JWT, whose claims come before its end.
_REACH_BYTES = 1024

# How far around a generic value a rule that knows the value itself may have its match.
_NEIGHBOURHOOD_BYTES = 80

# Beside a fingerprint: the key is one that signatures are checked with.
_VERIFIES = re.compile(rb"sign(?:ing)?[_-]?key", re.IGNORECASE)

_LETTERS = re.compile(rb"[^A-Za-z]+")

# How a text is written, by what is added to the ids of the rules for each.
_UTF_16, _BASE64 = 1, 2

Confidence = Literal["high", "medium", "low"]


class SecretRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule as the file has it; its head says what each field means."""

    id: str
    title: str
    category: Literal["aws", "private-key", "other"]
    find: str
    value: str
    find_wide: str = ""
    keywords: tuple[str, ...]
    caseless: bool = False
    min_entropy: float = 0.0
    near: str = ""
    paths: str = ""
    form: Literal["", "pem", "basic-auth", "jwt"] = ""
    encoded: tuple[str, ...] = ()
    generic: bool = False
    mixed: bool = False
    confidence: Confidence = "high"
    in_examples: Confidence = "medium"


def read_rules(text: str, file: str) -> tuple[SecretRule, ...]:
    """The rules that a YAML text lists. Raises ConfigurationError with the place in `file` where one is wrong."""
    (source,) = parse_yaml(text, file)
    try:
        return msgspec.convert(source.value, known(tuple[SecretRule, ...]))
    except msgspec.ValidationError as error:
        raise ConfigurationError(source.at_msgspec(str(error))) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    rule: SecretRule
    value: re.Pattern[bytes]
    near: re.Pattern[bytes] | None
    paths: re.Pattern[str] | None
    keywords: tuple[bytes, ...]
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A hit, and the texts that must not be shown: its value, as it is and as it was written. Made to hide them, not to be kept.

    It is `certain` when its own look gives it away, so that it is nothing else in any other place.
    """

    hit: SecretHit
    written: frozenset[str]
    certain: bool


class SecretRules:
    """All rules of the package, and the salt of this deployment.

    Immutable and free of I/O once loaded, so that a process can load it before it gives up its rights. Every method is
    deterministic and bounded: an expression sees one window, or the one text it was given.
    """

    def __init__(self, rules: tuple[SecretRule, ...], salt: bytes, *, self_test_keys: Collection[str] = SELF_TEST_KEYS) -> None:
        self.rules = rules
        self._self_test_keys = self_test_keys
        self._salt = salt
        self._compiled = tuple(_compile(rule) for rule in rules)

    @classmethod
    def load(cls, salt: bytes) -> "SecretRules":
        """Read the rules that come with the package. `salt` keys the fingerprints: equal values are equal within a deployment."""
        text = resources.files("watcher.inspection.secrets").joinpath(RULES_FILE).read_text(encoding="utf-8")
        rules = cls(read_rules(text, f"secrets/{RULES_FILE}"), salt)
        rules.fingerprint(b"")  # OpenSSL reads its configuration at the first call, when a confined worker no longer could
        return rules

    def patterns(self) -> list[tuple[int, bytes, int]]:
        """`(id for judge, expression, flags)` for one streaming hyperscan database; only ends of matches are needed.

        The first ids are those of the rules; then come the same for texts in UTF-16, and those for texts in base64.
        """
        count = len(self.rules)
        plain = [(number, rule.find, CASELESS if rule.caseless else 0) for number, rule in enumerate(self.rules)]
        wide = [(number + count, wide_expression(self.rules[number].find_wide or find), flags) for number, find, flags in plain]
        encoded = [
            (number + 2 * count, "|".join(fragment.text.decode() for fragment in each.fragments), 0)
            for number, each in enumerate(self._compiled)
            if each.fragments
        ]
        return [(number, find.encode(), flags) for number, find, flags in (*plain, *wide, *encoded)]

    def judge(self, rule_id: int, path: str, window: bytes, match_end: int, line: int | None) -> SecretHit | None:
        """What one hit of `patterns` is: a secret, or None.

        `window` is WINDOW_BEFORE_BYTES before and WINDOW_AFTER_BYTES after the end of the hit, cut at the borders of the file, and
        `match_end` an index into it. `line` is the line of that end, counted from 1, None for content without lines; the hit
        carries the line where its value begins. One value may be hit several times: equal hits are one secret.
        """
        found = self.found_at(rule_id, path, window, match_end, line)
        return None if found is None else found.hit

    def found_at(self, rule_id: int, path: str, window: bytes, match_end: int, line: int | None) -> Found | None:
        """What `judge` says, with the value."""
        encoding, number = divmod(rule_id, len(self._compiled))
        each = self._compiled[number]
        if each.paths is not None and each.paths.search(path) is None:
            return None
        if encoding == _BASE64:
            return self._judge_encoded(each, path, window, match_end, line)
        if encoding == _UTF_16:
            window, match_end = narrowed(window, match_end)
        reach = WINDOW_BEFORE_BYTES if each.rule.form == "jwt" else _REACH_BYTES
        for match in each.value.finditer(window, max(0, match_end - reach)):
            if match.start() >= match_end:
                break
            if match.end() >= match_end:
                value = self._confirmed(each, match)
                # In compiled code only: the same key in a file of its own would be one that somebody uses.
                if value is None or (line is None and is_self_test_key(value, self._self_test_keys)):
                    return None
                line = _line_of(match.start("value"), window, match_end, line)
                return self._in_file(each.rule, value, match["value"], path, line)
        return None

    def scan_text(self, text: str, path: str) -> list[SecretHit]:
        """The secrets in a text that is no file: a variable, a label, a build step. `path` names it in the hits.

        Rules that hold for certain files only are left out. At most MAX_HITS_A_TEXT different ones.
        """
        return [found.hit for found in self.find(text, path)]

    def find(self, text: str, path: str) -> list[Found]:
        """What `scan_text` finds, with the values."""
        content = text.encode("utf-8", "replace")
        lowered = content.lower()
        written: dict[SecretHit, tuple[set[str], bool]] = {}
        for each in self._compiled:
            # A rule for all but certain files holds for what is no file.
            if each.paths is not None and not each.paths.search(""):
                continue
            for value, raw in chain(self._plain_values(each, content, lowered), self._encoded_values(each, content)):
                if len(written) == MAX_HITS_A_TEXT:
                    break
                hit = self._hit(each.rule, value, path, each.rule.confidence, None)
                # Of a private key the expression sees only the beginning, and what is encoded is not where it was found.
                texts = (text,) if each.rule.form == "pem" or not raw else (_text(value), _text(raw))
                written.setdefault(hit, (set(), not each.rule.generic))[0].update(texts)
        return [Found(hit=hit, written=frozenset(texts), certain=certain) for hit, (texts, certain) in written.items()]

    def fingerprint(self, value: bytes) -> str:
        """The first 16 hex digits of HMAC-SHA256 under the deployment's salt."""
        return hmac.digest(self._salt, value, "sha256").hex()[:16]

    def _judge_encoded(self, each: _Compiled, path: str, window: bytes, match_end: int, line: int | None) -> Found | None:
        """A hit of a fragment: what it says once it is decoded, in the line of the hit."""
        for fragment in each.fragments:
            if window.endswith(fragment.text, 0, match_end):
                for match in each.value.finditer(decoded(window, match_end, fragment)):
                    if (value := self._confirmed(each, match)) is not None:
                        return self._in_file(each.rule, value, value, path, line)
        return None

    def _plain_values(self, each: _Compiled, content: bytes, lowered: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Each value, and as it was written."""
        if any(keyword in lowered for keyword in each.keywords):
            for match in each.value.finditer(content):
                if (value := self._confirmed(each, match)) is not None:
                    yield value, match["value"]

    def _encoded_values(self, each: _Compiled, content: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Each value, and nothing: it is not written anywhere."""
        for fragment in each.fragments:
            start = content.find(fragment.text)
            while start >= 0:
                end = start + len(fragment.text)
                low = max(0, start - WINDOW_BEFORE_BYTES)
                around = decoded(content[low : end + WINDOW_AFTER_BYTES], end - low, fragment)
                values = (self._confirmed(each, match) for match in each.value.finditer(around))
                yield from ((value, b"") for value in values if value is not None)
                start = content.find(fragment.text, end)

    def _in_file(self, rule: SecretRule, value: bytes, raw: bytes, path: str, line: int | None) -> Found:
        published = (rule.generic or rule.form == "basic-auth") and is_package_path(path)
        in_examples = published or is_example_path(path)
        hit = self._hit(rule, value, path, rule.in_examples if in_examples else rule.confidence, line)
        # A private key has many lines, which nothing else has in it.
        written = frozenset() if rule.form == "pem" else frozenset({_text(value), _text(raw)})
        return Found(hit=hit, written=written, certain=not rule.generic)

    def _confirmed(self, each: _Compiled, match: re.Match[bytes]) -> bytes | None:
        """The value of a match, when it is a credential by its form, its entropy and what stands around it."""
        rule, value = each.rule, unwrapped(match["value"], each.rule.form)
        if value is None or entropy(value) < rule.min_entropy or (rule.mixed and not is_mixed(value)):
            return None
        if (
            is_placeholder(value, generic=rule.generic)
            or (rule.generic and _is_no_secret(value, match.string[match.start() : match.start("value")]))
            or (each.near is not None and each.near.search(match.string) is None)
        ):
            return None
        return None if rule.generic and self._known_otherwise(match) else value

    def _hit(self, rule: SecretRule, value: bytes, path: str, confidence: Confidence, line: int | None) -> SecretHit:
        return SecretHit(
            rule=rule.id,
            title=rule.title,
            path=path,
            line=line,
            fingerprint=self.fingerprint(value),
            preview=_preview(rule, value),
            confidence="low" if is_documented(value) else confidence,
        )

    def _known_otherwise(self, match: re.Match[bytes]) -> bool:
        """Whether a rule that knows the look of the value matches on it too, and so reports it better."""
        start, end = match.span("value")
        begin = max(0, start - _NEIGHBOURHOOD_BYTES)
        around = match.string[begin : end + _NEIGHBOURHOOD_BYTES]
        return any(
            other.start("value") + begin < end and other.end("value") + begin > start for other in _matches(self._compiled, around)
        )


def _matches(rules: tuple[_Compiled, ...], content: bytes) -> Iterator[re.Match[bytes]]:
    lowered = content.lower()
    for each in rules:
        if not each.rule.generic and any(keyword in lowered for keyword in each.keywords):
            yield from each.value.finditer(content)


def _compile(rule: SecretRule) -> _Compiled:
    caseless = re.IGNORECASE if rule.caseless else re.NOFLAG
    return _Compiled(
        rule=rule,
        value=re.compile(rule.value.encode(), caseless),
        near=re.compile(rule.near.encode(), re.IGNORECASE) if rule.near else None,
        paths=re.compile(rule.paths, re.IGNORECASE) if rule.paths else None,
        keywords=tuple(keyword.encode() for keyword in rule.keywords),
        fragments=tuple(fragment for marker in rule.encoded for fragment in fragments_of(marker)),
    )


def _is_no_secret(value: bytes, name: bytes) -> bool:
    """Whether a value that a name gives away is public, or only the name again: `"encryptionKey": "encryptionKey1024"`."""
    if is_public(value) or (is_fingerprint(value) and _VERIFIES.search(name)):
        return True
    return _LETTERS.sub(b"", value).lower() == _LETTERS.sub(b"", name).lower()


def _line_of(start: int, window: bytes, match_end: int, line: int | None) -> int | None:
    """The line of `start`, from that of `match_end`: the value may begin before or behind the end of the hit."""
    if line is None:
        return None
    low, high = min(start, match_end), max(start, match_end)
    between = window.count(b"\n", low, high)
    return line - between if start <= match_end else line + between


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _preview(rule: SecretRule, value: bytes) -> str:
    """Of the prefix that all tokens of the kind begin with, at most four characters; of any other value nothing."""
    lowered = value[:4].lower()
    known = max((len(key) for key in rule.keywords if not rule.generic and lowered.startswith(key[:4].encode())), default=0)
    return value[: min(known, 4)].decode("ascii", "replace")
