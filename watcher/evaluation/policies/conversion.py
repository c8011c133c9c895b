"""YAML values into the shapes of documents, with every mistake named at its place and not only the first."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import msgspec

from watcher.evaluation.document.variables import COLLECTIONS
from watcher.evaluation.policies.shapes import Expect, RuleDocument
from watcher.kit.struct_words import Asked
from watcher.kit.suggestions import did_you_mean
from watcher.kit.yaml_source import Path, YamlSource, copied
from watcher.model.first_use import known

_T = TypeVar("_T", bound=msgspec.Struct)
# A document with more mistakes than this is not a document of ours.
_MAX_COMPLAINTS = 100

# What stands in for a part that had its complaint, where there must be one; the document is refused anyway.
_STAND_INS: Mapping[str, Any] = {
    "name": "x",
    "id": "x",
    "expect": {},
    "metadata": {"name": "x"},
    "rules": [{"id": "x"}],
    "cases": [{"name": "x", "expect": {}}],
}
_ITEM_STAND_INS: Mapping[str, Any] = {"rules": {"id": "x"}, "cases": {"name": "x", "expect": {}}}


def convert(source: YamlSource, shape: type[_T], complaints: list[str]) -> _T | None:
    """Convert, noting every mistake: msgspec stops at the first, so what it complained of is mended and it is asked again."""
    value, asked = copied(source.value), Asked(shape=shape, value=source.value)
    sound = True
    for _ in range(_MAX_COMPLAINTS):
        try:
            converted = msgspec.convert(value, known(shape))
        except msgspec.ValidationError as error:
            path, text = _where(str(error))
            meant = did_you_mean(str(path[-1]), asked.keys_at(path[:-1])) if text.startswith("unknown key") else ""
            complaints.append(f"{source.at(path)}: {_reworded(path, text)}{meant}")
            sound = False
            missing = re.search(r"missing required field `([^`]+)`", text)
            if not _mend(value, (*path, missing[1]) if missing else path):
                return None
        else:
            return converted if sound else None
    return None


def _mend(value: Any, path: Path) -> bool:
    """Put something sound at `path`, or nothing where nothing has to be; false when that cannot be done."""
    if path and isinstance(path[-1], int) and path[:-1] not in {(name,) for name in _ITEM_STAND_INS}:
        # One wrong entry of a list of texts: without the list, its neighbours cannot move.
        path = path[:-1]
    try:
        for step in path[:-1]:
            value = value[step]
        last = path[-1]
        if isinstance(last, int):
            value[last] = copied(_ITEM_STAND_INS[str(path[-2])])
        elif last in _STAND_INS:
            value[last] = copied(_STAND_INS[last])
        else:
            del value[last]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _where(message: str) -> tuple[Path, str]:
    """Split msgspec's ``text - at `$.rules[0].id` ``; an unknown field is part of the path."""
    text, marker, where = message.rpartition(" - at `")
    if not marker:
        text, where = message, ""
    path: list[str | int] = []
    for index, name in re.findall(r"\[(\d+|\.\.\.)\]|\.([^.\[\]`]+)", where):
        if index == "...":
            break  # msgspec does not say which key of a mapping it was
        path.append(int(index) if index else name)
    unknown = re.search(r"contains unknown field `([^`]+)`", text)
    if unknown:
        path.append(unknown[1])
        text = f"unknown key {unknown[1]!r}"
    return tuple(path), text


def _reworded(path: Path, text: str) -> str:
    """The words of msgspec for people who do not know its types."""
    key = str(path[-1]) if path else ""
    missing = re.search(r"missing required field `([^`]+)`", text)
    if missing:
        return f"`{missing[1]}` is missing"
    if "matching regex" in text and key in _EXPECTED:
        return f"`{key}`: expected {_EXPECTED[key]}"
    allowed = _ALLOWED.get(key)
    if text.startswith("Invalid enum value") and allowed:
        return f"`{key}`: {text[:1].lower()}{text[1:]}; expected {', '.join(allowed)}"
    return text[:1].lower() + text[1:]


_EXPECTED: Mapping[str, str] = {
    "name": "lower-case letters, digits and dashes, at most 63",
    "id": "lower-case letters, digits and dashes, at most 63",
    "version": "major.minor.patch",
    "each": f"`packages as p`, with one of {', '.join(COLLECTIONS)}",
}
_ALLOWED: Mapping[str, tuple[str, ...]] = {
    name: get_args(RuleDocument.__annotations__[name]) for name in ("category", "action", "on_missing")
} | {"outcome": tuple(value for value in get_args(get_args(Expect.__annotations__["outcome"])[0]))}
