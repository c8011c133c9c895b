"""Messages: text with `{{CEL}}` in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Text as it stands, or the source of an expression; `offset` is where it begins in the message, in characters."""

    text: str
    is_expression: bool
    offset: int


class TemplateError(ValueError):
    """A `{{` without its `}}`; `offset` says where."""

    def __init__(self, offset: int) -> None:
        super().__init__("this {{ has no }}")
        self.offset = offset


def split_template(message: str) -> list[Part]:
    """Take a message apart. Braces and quotes inside an expression are its own: `{{ {"}}": 1}["}}"] }}` is one part.

    Raises:
        TemplateError: an expression does not end.
    """
    parts: list[Part] = []
    position = 0
    while True:
        opened = message.find("{{", position)
        if opened < 0:
            break
        if opened > position:
            parts.append(Part(text=message[position:opened], is_expression=False, offset=position))
        closed = _end_of_expression(message, opened + 2)
        if closed < 0:
            raise TemplateError(opened)
        parts.append(Part(text=message[opened + 2 : closed], is_expression=True, offset=opened + 2))
        position = closed + 2
    if position < len(message):
        parts.append(Part(text=message[position:], is_expression=False, offset=position))
    return parts


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _end_of_expression(message: str, index: int) -> int:
    quote = ""
    depth = 0
    while index < len(message):
        character = message[index]
        if quote:
            if character == "\\":
                index += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
        elif message.startswith("}}", index):
            return index
        index += 1
    return -1
