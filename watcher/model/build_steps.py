"""Build steps as builders write them into an image's history."""

import re
from dataclasses import dataclass

# docker's classic builder marks a step that ran nothing; buildah writes the same mark.
_NOTHING_RAN = re.compile(r"^/bin/sh -c #\(nop\)\s*")
_INSTRUCTION = re.compile(
    r"^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)"
    r"(?:\s+|$)"
)
# `|2 A=1 B=2 /bin/sh -c make`: the build arguments a command was run with, unquoted whatever is in them.
_COUNT = re.compile(r"\|([0-9]{1,4}) ")
_ARGUMENT = re.compile(r"(?:^| )([A-Za-z_][\w.-]{0,200})=")
# What SHELL may say: a shell of Unix with its options, or one of Windows. `-o` is followed by a word that is no option.
_SHELL = re.compile(
    r"(?:^| )(?:/\S{0,200}/)?(?:sh|bash|ash|dash|ksh|mksh|zsh|busybox sh)"
    r"(?: -[A-Za-z]*o [a-z]{1,20}| -[\w-]{1,40}){0,9}? -[A-Za-z]*c "
    r"|(?:^| )cmd(?:\.exe)? /S /C |(?:^| )(?:powershell|pwsh)(?:\.exe)?(?: -\w{1,40}){0,9}? -[Cc]ommand "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStep:
    """A step as its Dockerfile had it. `build_arguments` are those a RUN was given, as far as they can be told apart."""

    operation: str
    arguments: str
    build_arguments: tuple[tuple[str, str], ...] = ()


def build_step(created_by: str) -> BuildStep:
    """A step that is only a command was a RUN; an empty one is nothing."""
    text = created_by.strip().removesuffix("# buildkit").rstrip()
    text = _NOTHING_RAN.sub("", text)
    found = _INSTRUCTION.match(text)
    operation, rest = (found[1], text[found.end() :]) if found else ("RUN" if text else "", text)
    if operation != "RUN":
        return BuildStep(operation=operation, arguments=rest.strip())
    given, command = _run(rest)
    return BuildStep(operation=operation, arguments=command.strip(), build_arguments=given)


def instruction_of(created_by: str) -> tuple[str, str]:
    """The instruction and its arguments."""
    step = build_step(created_by)
    return step.operation, step.arguments


def _run(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The build arguments of a RUN, and its command without the shell that ran it."""
    counted = _COUNT.match(text)
    if counted is None:
        shell = _SHELL.match(text)
        return (), text[shell.end() :] if shell else text
    rest, count = text[counted.end() :], int(counted[1])
    if count == 0:
        return _run(rest)
    # A value may hold spaces and even the name of a shell, so the arguments end with the first shell behind the last of them.
    places = list(_ARGUMENT.finditer(rest))[:count]
    last = places[-1].end() if len(places) == count else 0
    shell = _SHELL.search(rest, max(0, last - 1))
    if len(places) < count and shell is None:
        return (), rest
    # Without a shell the command was written as a list, and its first word ends the last value.
    space = rest.find(" ", last)
    end, command = (shell.start(), shell.end()) if shell else (len(rest), len(rest)) if space < 0 else (space, space + 1)
    ends = [*(place.start() for place in places[1:]), end]
    given = tuple((place[1], rest[place.end() : stop]) for place, stop in zip(places, ends, strict=True))
    return given, rest[command:]
