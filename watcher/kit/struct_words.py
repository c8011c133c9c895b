"""What msgspec says of a value, in words for who does not know its types, and with what may have been meant.

Nothing that stands where a secret should be referred to is repeated: it may be the secret.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
from msgspec import inspect

from watcher.kit.names import NAME_PATTERN
from watcher.kit.secret import SecretReference
from watcher.kit.suggestions import closest, did_you_mean, one_of
from watcher.kit.units import DURATION_PATTERN, SIZE_PATTERN
from watcher.kit.yaml_source import Path, value_at

_SECRET_PATTERN = next(each.pattern for each in get_args(SecretReference) if isinstance(each, msgspec.Meta))
_UNITS = {DURATION_PATTERN: '"{}s" or "10m"', SIZE_PATTERN: '"{}MiB" or "20GiB"'}
FORMS = {
    DURATION_PATTERN: "a duration with its unit: 500ms, 30s, 10m, 24h, 7d",
    SIZE_PATTERN: "a size with its unit: 64KiB, 1MiB, 20GiB",
    NAME_PATTERN: "a name of letters, digits, dots, hyphens and underscores",
}
_BOUNDS = {">=": "{} at least", "<=": "{} at most", ">": "more than {}", "<": "less than {}"}
_KINDS: Mapping[str, str] = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "keys with values",
    "str": "text",
    "null": "nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was read as what."""

    shape: type[msgspec.Struct]
    value: Any

    def possible_at(self, path: Path) -> Sequence[inspect.Type]:
        """Everything that could stand there."""
        found: list[inspect.Type] = [inspect.type_info(self.shape)]
        for number, step in enumerate(path):
            chosen = _chosen(_variants(found), value_at(self.value, path[:number]))
            found = [below for each in chosen for below in _below(each, step)]
        return _variants(found)

    def chosen_at(self, path: Path) -> Sequence[inspect.Type]:
        """The same, and of several kinds of blocks the one that the value says it is."""
        return _chosen(self.possible_at(path), value_at(self.value, path))

    def keys_at(self, path: Path) -> Sequence[str]:
        """Those that a block there may have."""
        return _keys(self.chosen_at(path))


def reworded(text: str, path: Path, asked: Asked) -> str:
    """`text` is msgspec's, about what is at `path`."""
    found = value_at(asked.value, path)
    if unknown := re.fullmatch(r"Object contains unknown field `([^`]+)`", text):
        return _unknown(unknown[1], path, asked)
    if missing := re.fullmatch(r"Object missing required field `([^`]+)`", text):
        choices = _choices((*path, missing[1]), asked) if missing[1] in _tag_fields(asked.possible_at(path)) else []
        return f"`{missing[1]}` is missing" + (f"; {one_of('', choices)}" if choices else "")
    if text.startswith("Invalid "):
        choices = _choices(path, asked)
        return f"there is no {_shown(found)}" + (f"; {one_of(str(found), choices)}" if choices else "")
    if text.startswith("Expected "):
        return _expected(text, asked.possible_at(path), found)
    return text


def _unknown(key: str, path: Path, asked: Asked) -> str:
    own = asked.chosen_at(path)
    if close := did_you_mean(key, _keys(own)):
        return f"there is no key {key!r} here{close}"
    # One level off: deeper in a block of this one, or beside it.
    below = {each: f"{field.encode_name}.{each}" for field in _fields(own) for each in _keys(_variants([field.type]))}
    if like := closest(key, below):
        return f"there is no key {key!r} here; did you mean {below[like]!r}?"
    if path and key in _keys(asked.chosen_at(path[:-1])):
        return f"there is no key {key!r} here; it belongs one level higher"
    keys = sorted(set(_keys(own)))
    return f"there is no key {key!r} here" + (f"; there are: {', '.join(keys)}" if keys else "")


def _expected(text: str, possible: Sequence[inspect.Type], found: Any) -> str:
    patterns = {each.pattern for each in possible if isinstance(each, inspect.StrType)}
    if _SECRET_PATTERN in patterns:
        return "expected where the secret is kept, env:NAME or file:PATH; what stands here is not repeated"
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    for pattern, units in _UNITS.items():
        if pattern in patterns and (is_number or re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(found).strip())):
            return f"{found} has no unit; write {units.format(str(found).strip())}"
    if got := re.match(r"Expected `([^`]+)`, got `([^`]+)`$", text):
        kinds = [_KINDS.get(each, each) for each in got[1].split(" | ") if each != "null"]
        shown = "text" if isinstance(found, str) and {"object", "array"} & set(got[1].split(" | ")) else _shown(found)
        said = f"expected {' or '.join(kinds)}, found {shown}"
        return f"{said}; put it in quotes" if kinds == ["text"] and (is_number or isinstance(found, bool)) else said
    if bound := re.fullmatch(r"Expected `(?:int|float)` ([<>]=?) (\S+)", text):
        return f"expected {_BOUNDS[bound[1]].format(bound[2])}, found {_shown(found)}"
    if re.fullmatch(r"Expected `\w+` of length >= 1", text):
        return "must not be empty"
    described = [form for pattern, form in FORMS.items() if pattern in patterns]
    if described:
        return f"{_shown(found)} is not {described[0]}"
    return re.sub(r"^Expected `str` matching regex (.*)$", r"what stands here does not match \1", text)


def _shown(value: Any) -> str:
    """Short, since it may be anything."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value[:60]) if re.fullmatch(r"[\w .:/-]*", value) else "other text"
    return "a list" if isinstance(value, list) else "keys with values" if isinstance(value, dict) else str(value)[:60]


def _choices(path: Path, asked: Asked) -> Sequence[str]:
    """What could stand there: the types of a block, or the words of a key."""
    around = [each for each in asked.possible_at(path[:-1]) if isinstance(each, inspect.StructType)] if path else []
    tags = [str(each.tag) for each in around if each.tag_field == path[-1]]
    possible = asked.possible_at(path)
    numbers = ["a whole number"] if any(isinstance(each, inspect.IntType) for each in possible) else []
    return tags or [*(word for each in possible for word in _words(each)), *numbers]


def _words(each: inspect.Type) -> Sequence[str]:
    if isinstance(each, inspect.LiteralType):
        return [str(value) for value in each.values]
    return [str(value.value) for value in each.cls] if isinstance(each, inspect.EnumType) else []


def _variants(types: Iterable[inspect.Type]) -> Sequence[inspect.Type]:
    """Without what is said about them, and of a union each."""
    found: list[inspect.Type] = []
    for each in types:
        if isinstance(each, inspect.Metadata):
            found += _variants([each.type])
        elif isinstance(each, inspect.UnionType):
            found += _variants(each.types)
        else:
            found.append(each)
    return found


def _chosen(types: Sequence[inspect.Type], value: Any) -> Sequence[inspect.Type]:
    if not isinstance(value, dict):
        return types
    structs = [each for each in types if isinstance(each, inspect.StructType)]
    return [each for each in structs if each.tag_field and value.get(each.tag_field) == each.tag] or types


def _below(each: inspect.Type, step: str | int) -> Sequence[inspect.Type]:
    if isinstance(each, inspect.StructType):
        return [field.type for field in each.fields if field.encode_name == step]
    if isinstance(each, inspect.VarTupleType | inspect.ListType):
        return [each.item_type]
    return [each.value_type] if isinstance(each, inspect.DictType) else []


def _fields(types: Iterable[inspect.Type]) -> Iterator[inspect.Field]:
    for each in types:
        if isinstance(each, inspect.StructType):
            yield from each.fields


def _tag_fields(types: Iterable[inspect.Type]) -> Sequence[str]:
    return [each.tag_field for each in types if isinstance(each, inspect.StructType) and each.tag_field]


def _keys(types: Sequence[inspect.Type]) -> Sequence[str]:
    return [*_tag_fields(types), *(field.encode_name for field in _fields(types))]
