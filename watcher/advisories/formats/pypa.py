"""PyPA's advisory database: records of OSV's shape, one a file, in YAML.

Spec: https://github.com/pypa/advisory-database, "Schema"; YAML 1.1 as libyaml reads it
"""

from typing import Any

import msgspec
import yaml

from watcher.advisories.formats.osv import OsvRecord, advisory_of
from watcher.advisories.formats.protocol import NotThisFormatError
from watcher.advisories.record import Malformed, Records
from watcher.model.first_use import known

# The longest real record has 60 kB, most of it versions; libyaml reads 4 MB a second.
MAX_BYTES = 4 * 2**20
MAX_DEPTH = 32
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


def read(content: bytes, *, name: str) -> Records:
    if len(content) > MAX_BYTES:
        raise NotThisFormatError(f"{name}: {len(content)} bytes, at most {MAX_BYTES} are read")
    try:
        record = _value(content, name)
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise NotThisFormatError(f"{name}: no YAML: {error!s:.200}") from error
    if not isinstance(record, dict) or "id" not in record:
        raise NotThisFormatError(f"{name}: no record with an id")
    try:
        yield advisory_of(msgspec.convert(record, known(OsvRecord)))
    except (msgspec.ValidationError, ValueError) as error:
        yield Malformed(where=name, reason=f"{error!s:.200}")


def _value(content: bytes, name: str) -> Any:
    """The first document, with every scalar as the text that it is written as: `1.10` is a version, not a number.

    It is made of libyaml's events one by one: a loader would call itself for every level, and follow aliases, with which a short
    text is a long one.
    """
    root: dict[Any, Any] = {}
    holders: list[Any] = [root]
    keys: list[Any] = ["document"]
    for event in yaml.parse(content, Loader=yaml.CBaseLoader):
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = None if event.implicit[0] and event.value in _NULL else event.value
        elif isinstance(event, yaml.MappingStartEvent):
            value = {}
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
        elif isinstance(event, yaml.CollectionEndEvent):
            holders.pop()
            keys.pop()
            continue
        elif isinstance(event, yaml.AliasEvent):
            raise NotThisFormatError(f"{name}: an alias, which no record has")
        elif isinstance(event, yaml.DocumentEndEvent):
            break
        else:
            continue
        holder = holders[-1]
        if isinstance(holder, list):
            holder.append(value)
        elif keys[-1] is not None:
            holder[keys[-1]] = value
            keys[-1] = None
        elif isinstance(value, str):
            keys[-1] = value
            continue
        else:
            raise NotThisFormatError(f"{name}: a key that is no text")
        if isinstance(event, yaml.CollectionStartEvent):
            holders.append(value)
            keys.append(None)
            if len(holders) > MAX_DEPTH:
                raise NotThisFormatError(f"{name}: nested more than {MAX_DEPTH} deep")
    return root.get("document")
