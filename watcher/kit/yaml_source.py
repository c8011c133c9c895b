"""YAML with positions: every value remembers its line and column, so an error can name the place.

Duplicate keys are errors, since the last one winning in silence is how a rule disappears. Anchors and aliases are allowed,
with a bound on the number of values they expand to.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from watcher.model.errors import ConfigurationError

# A policy of a thousand rules has about 20 000 values; "billion laughs" has 10^9.
MAX_VALUES = 500_000
# Policies go nine deep. libyaml calls itself for every level that it composes, and ends the process beyond some thousands.
MAX_DEPTH = 64

Path = tuple[str | int, ...]

_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null"))


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlSource:
    """One parsed document. `positions` maps a value's path to its (line, column), both from 1; `keys` does so for its key."""

    file: str
    value: Any
    positions: dict[Path, tuple[int, int]]
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def at(self, path: Path) -> str:
        """`file:line:column` of the value at `path`, or of the nearest value that contains it."""
        line, column = self.position(path)
        return f"{self.file}:{line}:{column}"

    def position(self, path: Path) -> tuple[int, int]:
        """Line and column of the value at `path`, or of the nearest value that contains it."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))

    def get(self, path: Path) -> Any:
        """The value at `path`, None where there is none."""
        return value_at(self.value, path)

    def at_msgspec(self, message: str) -> str:
        """Turn msgspec's ``… - at `$.sources[0].type` `` into `file:line:column: …`."""
        text, marker, where = message.rpartition(" - at `")
        if not marker:
            return f"{self.at(())}: {message}"
        path: Path = tuple(
            int(index) if index else name for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", where.rstrip("`"))
        )
        unknown = re.search(r"unknown field `([^`]+)`", text)
        if unknown:
            line, column = self.keys.get((*path, unknown[1]), (1, 1))
            return f"{self.file}:{line}:{column}: {text[:1].lower()}{text[1:]}"
        return f"{self.at(path)}: {text[:1].lower()}{text[1:]}"


def value_at(value: Any, path: Path) -> Any:
    """What is below `value` at `path`, None where there is nothing."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def copied(value: Any) -> Any:
    """A value of a document that may be changed without it: its mappings and lists anew."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def key_of(path: Path) -> str:
    """A path as people write it: `sources[0].auth.secret`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def parse_yaml(text: str, file: str) -> list[YamlSource]:
    """Every document of a YAML text. Dates are left as text: rules and settings decide what a value means.

    Raises:
        ConfigurationError: not YAML, a duplicate key, a key that is not text, more than MAX_VALUES values or MAX_DEPTH levels.
    """
    try:
        _check_depth(text, file)
        return [_source(node, file) for node in yaml.compose_all(text, Loader=_TextDatesLoader)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise ConfigurationError(f"{place}: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise ConfigurationError(f"{file}: cannot be read as YAML: {error.reason}, character {error.position + 1}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read as YAML: {error!s:.200}") from error


def _check_depth(text: str, file: str) -> None:
    """Count the levels in the events, which are read one after the other, before anything is composed of them."""
    depth = 0
    for event in yaml.parse(text, Loader=_TextDatesLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = event.start_mark
                raise _too_deep(f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(place: str) -> ConfigurationError:
    return ConfigurationError(f"{place}: nested more than {MAX_DEPTH} deep")


class _TextDatesLoader(yaml.CSafeLoader):
    """SafeLoader that leaves timestamps alone."""


_TextDatesLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _source(root: yaml.Node, file: str) -> YamlSource:
    positions: dict[Path, tuple[int, int]] = {}
    keys: dict[Path, tuple[int, int]] = {}
    constructor = yaml.constructor.SafeConstructor()

    def build(node: yaml.Node, path: Path) -> Any:
        if len(positions) > MAX_VALUES:
            raise ConfigurationError(f"{file}: more than {MAX_VALUES} values")
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        positions.setdefault(path, place)
        where = f"{file}:{place[0]}:{place[1]}"
        if len(path) > MAX_DEPTH:
            raise _too_deep(where)  # by an alias, which may contain itself
        if node.tag not in _PLAIN_TAGS:
            raise ConfigurationError(f"{where}: tag {node.tag[:80]} means nothing here")
        if isinstance(node, yaml.MappingNode):
            built: dict[str, Any] = {}
            for key_node, value_node in node.value:
                at = f"{file}:{key_node.start_mark.line + 1}:{key_node.start_mark.column + 1}"
                if not isinstance(key_node, yaml.ScalarNode):
                    raise ConfigurationError(f"{at}: keys must be text")
                key = str(key_node.value)
                if key in built:
                    raise ConfigurationError(f"{at}: duplicate key {key!r}")
                keys.setdefault((*path, key), (key_node.start_mark.line + 1, key_node.start_mark.column + 1))
                built[key] = build(value_node, (*path, key))
                # An error about a key is about where the key stands, an error about a value about the value.
                if not isinstance(value_node, yaml.ScalarNode):
                    positions[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            return built
        if isinstance(node, yaml.SequenceNode):
            return [build(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return constructor.construct_object(node)
        except (ValueError, KeyError, IndexError, OverflowError) as error:
            raise ConfigurationError(f"{where}: not a value that can be read as {node.tag.rpartition(':')[2]}") from error

    return YamlSource(file=file, value=build(root, ()), positions=positions, keys=keys)
