"""Messages of the inspection document out of their JSON form: what policy tests write, and what gatherers bring."""

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from watcher.evaluation.document.types import message_class


def message_of(name: str, value: Any, where: str) -> Message:
    """A message of the table by its name there.

    Raises:
        ValueError: not a mapping, or a name or a type that the message does not have.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: expected a mapping")  # noqa: TRY004 - the caller adds the place to every ValueError
    made = message_class(name)()
    try:
        _fill(made, value)
    except (TypeError, ValueError):
        # Written otherwise than we write it, or wrong: the library knows all other forms, and what to say.
        made = message_class(name)()
    else:
        return made
    try:
        json_format.ParseDict(dict(value), made)
    except SystemError as error:  # its lookup of an enum's value by a lone surrogate
        raise ValueError(f"{where}: a text that is no Unicode") from error
    except json_format.ParseError as error:
        raise ValueError(f"{where}: {str(error).replace('inspect.v1.', '').splitlines()[0]:.300}") from error
    return made


def items_of(value: Any, where: str) -> list[Any]:
    """Raises ValueError when it is no list."""
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list")  # noqa: TRY004 - as above
    return value


# An image has hundreds of vulnerabilities, and `ParseDict` takes half a millisecond for each. What it would do with a mapping in
# the form that we write is done here in a fifth of that.
_Fill = Callable[[Message, str, Any], None]


def _fill(made: Message, value: Mapping[str, Any]) -> None:
    """Raises TypeError or ValueError for all but the plainest form; then `made` is good for nothing."""
    filling = _filling(made.DESCRIPTOR)
    for name, each in value.items():
        fill = filling.get(name)
        if fill is None:
            raise ValueError(name)
        fill(made, name, each)


@cache
def _filling(descriptor: Descriptor) -> Mapping[str, _Fill]:
    return {field.name: _filling_of(field) for field in descriptor.fields}


def _filling_of(field: FieldDescriptor) -> _Fill:
    if field.message_type is not None and field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        return _refuse if field.is_repeated else _fill_time
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _refuse
    if field.message_type is not None:
        return _fill_messages if field.is_repeated else _fill_message
    if field.enum_type is not None:
        numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}
        return _refuse if field.is_repeated else lambda made, name, each: setattr(made, name, _number(numbers, each))
    kind = _KINDS.get(field.type)
    if kind is None:
        return _refuse
    if field.is_repeated:
        return lambda made, name, each: getattr(made, name).extend([_exactly(kind, item) for item in _exactly(list, each)])
    return lambda made, name, each: setattr(made, name, _exactly(kind, each))


_KINDS: Mapping[int, type] = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_INT64: int,
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_DOUBLE: float,
}


def _number(numbers: Mapping[str, int], name: Any) -> int:
    if type(name) is not str or name not in numbers:
        raise TypeError(name)
    return numbers[name]


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind or (type(value) is float and not math.isfinite(value)):
        raise TypeError(kind)
    return value


def _refuse(_made: Message, name: str, _each: Any) -> None:
    raise TypeError(name)


def _fill_message(made: Message, name: str, each: Any) -> None:
    below = getattr(made, name)
    # There also when nothing of it is said.
    below.SetInParent()
    _fill(below, _exactly(dict, each))


def _fill_messages(made: Message, name: str, each: Any) -> None:
    items = getattr(made, name)
    for item in _exactly(list, each):
        _fill(items.add(), _exactly(dict, item))


def _fill_time(made: Message, name: str, each: Any) -> None:
    below = getattr(made, name)
    below.SetInParent()
    below.seconds, below.nanos = _time(_exactly(str, each))


@lru_cache(maxsize=4096)
def _time(text: str) -> tuple[int, int]:
    time = Timestamp()
    time.FromJsonString(text)
    return time.seconds, time.nanos
