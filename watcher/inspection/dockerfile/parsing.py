"""A Dockerfile as its instructions. Pure.

Spec: Dockerfile reference, "Format", "Parser directives", "Environment replacement", "Here-Documents". What a syntax of its own
(`# syntax=`) may add is not known; what it does not know is no Dockerfile to this reader either.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watcher.model.errors import ConfigurationError

INSTRUCTIONS = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN"}
    | {"SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
# Those that may be followed by lines of a file that is written in place.
_WITH_HEREDOC = frozenset({"ADD", "COPY", "RUN"})
MAX_BYTES = 1024 * 1024

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][\w-]*)\s*=\s*(.*?)\s*")
_HEREDOC = re.compile(r"(?<!\S)\d*<<(-?)([\"']?)([^\s<>\"']+)\2(?!\S)")
_VARIABLE = re.compile(
    r"\\(?P<escaped>\$)|\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<how>:?[-+])(?P<word>[^{}$]*))?\})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """`op` is in capital letters, `args` the rest with continued lines joined; a file written in place is part of it.

    `line` counts from 1, `stage` from 0; what stands before the first FROM has the stage -1.
    """

    op: str
    args: str
    line: int
    stage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDockerfile:
    """`syntax` is the image of the frontend that `# syntax=` names, empty when there is none."""

    instructions: tuple[Instruction, ...]
    syntax: str = ""


class UnsetVariableError(Exception):
    """A variable without a value, or a form of replacement that is not known. The text is the variable."""


def parse_dockerfile(content: bytes) -> ParsedDockerfile:
    """Raises ConfigurationError, with the line, for what is no Dockerfile or has more than MAX_BYTES."""
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"it has {len(content)} bytes, at most {MAX_BYTES} are read")
    try:
        lines = [line.removesuffix("\r") for line in content.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise ConfigurationError("it is not UTF-8") from error
    directives = _directives(lines)
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise ConfigurationError(f"line 1: the escape character is {escape!r}, expected \\ or `")
    instructions = tuple(_instructions(lines, escape))
    if not any(each.op == "FROM" for each in instructions):
        raise ConfigurationError("no line of it is a FROM")
    return ParsedDockerfile(instructions=instructions, syntax=directives.get("syntax", "").partition(" ")[0])


def replaced(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables in place. Raises UnsetVariableError."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name, how, word = match["name"] or match["braced"], match["how"] or "", match["word"] or ""
        given = values.get(name)
        is_set = bool(given) if ":" in how else given is not None
        if how.endswith("+"):
            return word if is_set else ""
        if is_set:
            return given or ""
        if not how:
            raise UnsetVariableError(name)
        return word

    filled, end = [], 0
    for match in _VARIABLE.finditer(text):
        filled += [text[end : match.start()], value(match)]
        if "$" in filled[-2]:
            raise UnsetVariableError(text)
        end = match.end()
    if "$" in text[end:]:
        raise UnsetVariableError(text)
    return "".join((*filled, text[end:]))


def _directives(lines: list[str]) -> dict[str, str]:
    """Only comments at the very top are directives, each at most once."""
    found: dict[str, str] = {}
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip())
        if directive is None or directive[1].lower() in found:
            break
        found[directive[1].lower()] = directive[2]
    return found


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    continued = re.compile(rf"{re.escape(escape)}[ \t]*$")
    place, stage = 0, -1
    while place < len(lines):
        first = place
        if _is_nothing(lines[place]):
            place += 1
            continue
        text, place = _joined(lines, place, continued)
        if not text:
            continue
        op, args = _told_apart(text, first + 1)
        if op in _WITH_HEREDOC:
            for stripped, _, name in _HEREDOC.findall(args):
                body, place = _heredoc(lines, place, name, stripped=bool(stripped))
                args = "\n".join((args, *body, name))
        stage += op == "FROM"
        yield Instruction(op=op, args=args, line=first + 1, stage=stage)


def _is_nothing(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _joined(lines: list[str], place: int, continued: re.Pattern[str]) -> tuple[str, int]:
    """One instruction, and where the next may begin. A comment or an empty line in its midst does not end it."""
    parts: list[str] = []
    for number in range(place, len(lines)):
        line = lines[number]
        if parts and _is_nothing(line):
            continue
        parts.append(continued.sub("", line))
        if not continued.search(line):
            return "".join(parts).strip(), number + 1
    return "".join(parts).strip(), len(lines)


def _told_apart(text: str, line: int) -> tuple[str, str]:
    op, args, *_ = (*text.split(maxsplit=1), "")
    if op.upper() not in INSTRUCTIONS:
        raise ConfigurationError(f"line {line}: {op[:40]!r} is no instruction")
    if not args:
        raise ConfigurationError(f"line {line}: {op.upper()} without anything behind it")
    return op.upper(), args


def _heredoc(lines: list[str], place: int, name: str, *, stripped: bool) -> tuple[list[str], int]:
    body: list[str] = []
    for number in range(place, len(lines)):
        text = lines[number].lstrip("\t") if stripped else lines[number]
        if text == name:
            return body, number + 1
        body.append(text)
    raise ConfigurationError(f"line {place}: what begins with <<{name[:40]} has no end")
