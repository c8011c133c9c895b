"""YAML into a struct of settings, with every mistake named at its place and not only the first."""

import re
import typing
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from watcher.kit.struct_words import Asked, reworded
from watcher.kit.yaml_source import Path, YamlSource, copied, key_of, value_at
from watcher.model.first_use import known

T = TypeVar("T", bound=msgspec.Struct)

# A block, or a file, with more mistakes than this is none of ours.
_MAX_MISTAKES = 50
KINDS = {list: "array", dict: "object", str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UNKNOWN = "contains unknown field"
_NAMED = re.compile(r"Object (?:contains unknown|missing required) field `([^`]+)`")


def read_struct(source: YamlSource, shape: type[T]) -> tuple[T | None, Sequence[str]]:
    """The struct; or None, and all that is wrong: `file:line:column: key: what`, one sentence each, in the order of the file.

    Each block, and each entry of a list of blocks, is looked at by itself. Text with a control character in it is nothing that
    anybody wrote on purpose, and no path, header or name that the system takes.
    """
    value = {} if source.value is None else source.value
    found: dict[tuple[tuple[int, int], str], tuple[Path, Path]] = {}
    for at, hint, part in _parts(value, shape):
        for whole, asked_at, text in _mistakes(at, hint, part):
            place = source.keys.get(whole, source.position(whole)) if _UNKNOWN in text else source.position(whole)
            found.setdefault((place, text), (whole, asked_at))
    for whole, character in _controls(value):
        text = f"control character U+{ord(character):04X}; of those only tabs and ends of lines may stand in a text"
        found.setdefault((source.position(whole), text), (whole, whole))
    if not found:
        return msgspec.convert(value, known(shape)), ()
    asked = Asked(shape=shape, value=value)
    told: dict[str, None] = {}
    # What may have been meant is looked for in everything there is: of a file of nothing but mistakes that would take minutes.
    for ((line, column), text), (whole, asked_at) in sorted(found.items())[:_MAX_MISTAKES]:
        where = f"{source.file}:{line}:{column}: {key_of(whole)}".rstrip(": ")
        told[f"{where}: {reworded(text, asked_at, asked)}"] = None
    more = len(found) - _MAX_MISTAKES
    return None, [*told, *([f"{source.file}: and more, {more} at least"] if more > 0 else [])]


def _parts(value: Any, shape: type[msgspec.Struct]) -> Iterator[tuple[Path, Any, Any]]:
    """Path, type and value of each block, and of each entry of a list of blocks; of the rest what is not there."""
    fields = {field.encode_name: field.name for field in msgspec.structs.fields(shape)}
    hints = typing.get_type_hints(shape, include_extras=True)
    if not isinstance(value, dict):
        yield (), shape, value
        return
    for key, given in value.items():
        hint = hints[fields[key]] if key in fields else None
        if hint is None:
            yield (), shape, {key: given}
        elif typing.get_origin(hint) is tuple and isinstance(given, list):
            yield from (((key, index), typing.get_args(hint)[0], each) for index, each in enumerate(given))
        else:
            yield (key,), hint, given


def _controls(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Path and first control character of each text that has one."""
    if isinstance(value, str):
        if found := _CONTROL.search(value):
            yield path, found[0]
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _controls(each, (*path, key))


def _mistakes(at: Path, hint: Any, given: Any) -> Iterator[tuple[Path, Path, str]]:
    """Of what, at what it was said, and in msgspec's words.

    It stops at the first: what it complained of is left out, and it is asked again.
    """
    value, left_out = copied(given), set[Path]()
    for _ in range(_MAX_MISTAKES + 1):  # one that is not told shows that there are more
        try:
            msgspec.convert(value, known(hint))
        except msgspec.ValidationError as error:
            path, text = _where(str(error), value)
            named = _NAMED.fullmatch(text)
            place = (*path, named[1]) if named else path
            if place in left_out:
                return  # it is there, and had its complaint
            # What a struct says of itself, when all of its fields are well: nothing, where one of them was left out.
            of_whole = named is None and isinstance(value_at(value, path), dict) and not text.startswith("Expected")
            own = re.match(r"(\w+): ", text) if of_whole else None
            if own and own[1] in value_at(value, path):  # it says of which of its keys
                place, text = (*path, own[1]), text[own.end() :]
            if not (of_whole and left_out):
                yield (*at, *(path if text.startswith("Object missing") else place)), (*at, *path), text
            gone = None if of_whole else _left_out(value, place)
            if gone is None:
                return
            left_out.add(gone)
        else:
            return


def _where(message: str, value: Any) -> tuple[Path, str]:
    """Split msgspec's ``text - at `$.auth.type` ``."""
    text, marker, where = message.rpartition(" - at `")
    if not marker:
        return (), message
    found = re.findall(r"\[(\d+|\.\.\.)\]|\.([^.\[\]`]+)", where)
    path = [name or (int(index) if index.isdigit() else "...") for index, name in found]
    if "..." not in path:
        return tuple(path), text
    # It does not say which key of a mapping it was: one whose value is what it complains of.
    above = tuple(path[: path.index("...")])
    got = text.rpartition(", got ")[2].strip("`")
    holder = value_at(value, above)
    entries = holder.items() if path[-1] == "..." and isinstance(holder, dict) else ()
    keys = [key for key, each in entries if KINDS.get(type(each)) == got]
    return (*above, *keys[:1]), text


def _left_out(value: Any, path: Path) -> Path | None:
    """Take away what is at `path`, or the list that it is in, and say what; None where nothing is left to ask about."""
    while path and isinstance(path[-1], int):
        path = path[:-1]  # without their list its entries cannot move
    holder = value_at(value, path[:-1]) if path else None
    if not isinstance(holder, dict) or path[-1] not in holder:
        return None
    del holder[path[-1]]
    return path
