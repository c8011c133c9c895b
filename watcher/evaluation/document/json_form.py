"""Messages of the inspection document out of their JSON form: what policy tests write, and what gatherers bring."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

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
        json_format.ParseDict(dict(value), made)
    except json_format.ParseError as error:
        raise ValueError(f"{where}: {str(error).replace('inspect.v1.', '').splitlines()[0]:.300}") from error
    return made


def items_of(value: Any, where: str) -> list[Any]:
    """Raises ValueError when it is no list."""
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list")  # noqa: TRY004 - as above
    return value
