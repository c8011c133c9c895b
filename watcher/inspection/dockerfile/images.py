"""The images that a Dockerfile names: those it builds on, those it copies from, and the one that reads it. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watcher.inspection.dockerfile.parsing import Instruction, ParsedDockerfile, UnsetVariableError, replaced

# What BuildKit sets by itself, from the platform that is built.
_TARGET = ("TARGETOS", "TARGETARCH", "TARGETVARIANT")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s*")
_QUOTED = re.compile(r"(?P<quote>[\"'])(?P<text>.*)(?P=quote)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImage:
    """`reference` is as written, with variables in place; `instruction` is FROM, COPY, ADD or RUN, or `syntax`."""

    reference: str
    instruction: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImages:
    """`unknown` are sentences about images that cannot be told."""

    images: tuple[NamedImage, ...]
    unknown: tuple[str, ...] = ()


def named_images(parsed: ParsedDockerfile, build_args: Mapping[str, str], platform: str) -> NamedImages:
    """In the order of their lines. `build_args` are those of the build; `platform` is the image's, `linux/arm64/v8`."""
    images: list[NamedImage] = []
    unknown: list[str] = []
    if parsed.syntax:
        images.append(NamedImage(reference=parsed.syntax, instruction="syntax", line=1))
    stages: dict[str, int] = {}
    values = {"TARGETPLATFORM": platform, **dict(zip(_TARGET, platform.split("/"), strict=False))}
    for each in parsed.instructions:
        if each.op == "ARG" and each.stage < 0:
            values.update(_defaults(each.args, values, build_args))
            continue
        for name in _names(each):
            try:
                reference = replaced(name, values)
            except UnsetVariableError as error:
                unknown.append(f"line {each.line}: {each.op} of {name[:200]!r}: no value is known for {str(error)[:80]!r}")
                continue
            if not _is_stage(reference, each, stages):
                images.append(NamedImage(reference=reference, instruction=each.op, line=each.line))
        if each.op == "FROM":
            *_, before, last = ("", "", *_words(each.args))
            if before.upper() == "AS":
                stages[last.lower()] = each.stage
    return NamedImages(images=tuple(images), unknown=tuple(unknown))


def _is_stage(reference: str, each: Instruction, stages: Mapping[str, int]) -> bool:
    """A stage before, by name or number; or nothing at all, which only FROM can build on."""
    if each.op == "FROM" and reference == "scratch":
        return True
    if each.op != "FROM" and reference.isascii() and reference.isdigit():
        return int(reference) <= each.stage
    return reference.lower() in stages


def _names(each: Instruction) -> Iterator[str]:
    if each.op == "FROM":
        yield next(iter(_words(each.args)), "")
    elif each.op in ("COPY", "ADD"):
        yield from (value for flag, value in _flags(each.args) if flag == "from" and value)
    elif each.op == "RUN":
        for flag, value in _flags(each.args):
            options = dict(part.partition("=")[::2] for part in value.split(","))
            if flag == "mount" and options.get("from"):
                yield options["from"]


def _flags(args: str) -> Iterator[tuple[str, str]]:
    place = 0
    while (flag := _FLAG.match(args, place)) is not None:
        yield flag[1], _unquoted(flag[2] or "")
        place = flag.end()


def _words(args: str) -> list[str]:
    """Without the flags before them."""
    place = 0
    while (flag := _FLAG.match(args, place)) is not None:
        place = flag.end()
    return [_unquoted(word) for word in args[place:].split()]


def _defaults(args: str, values: Mapping[str, str], build_args: Mapping[str, str]) -> dict[str, str]:
    """What an ARG before the first FROM gives to those behind it: what the build was given, else its default."""
    found: dict[str, str] = {}
    for word in args.split():
        name, is_given, default = word.partition("=")
        if name in build_args:
            found[name] = build_args[name]
        elif is_given:
            try:
                found[name] = replaced(_unquoted(default), {**values, **found})
            except UnsetVariableError:
                continue  # whoever uses it is told
    return found


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return quoted["text"] if quoted else text
