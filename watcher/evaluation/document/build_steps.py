"""Build steps as builders write them into an image's history."""

import re

# docker's classic builder marks a step that ran nothing; buildah writes the same mark.
_NOTHING_RAN = re.compile(r"^/bin/sh -c #\(nop\)\s*")
# `|2 A=1 B=2 /bin/sh -c make`: the build arguments a command was run with.
_ARGUMENTS = re.compile(r"^\|\d+ (?:\S+=\S* )*")
_INSTRUCTION = re.compile(
    r"^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)"
    r"(?:\s+|$)"
)


def instruction_of(created_by: str) -> tuple[str, str]:
    """The instruction and its arguments. A step that is only a command was a RUN; an empty one is nothing."""
    text = created_by.strip().removesuffix("# buildkit").rstrip()
    text = _NOTHING_RAN.sub("", text)
    found = _INSTRUCTION.match(text)
    operation, rest = (found[1], text[found.end() :]) if found else ("RUN" if text else "", text)
    if operation == "RUN":
        rest = _ARGUMENTS.sub("", rest).removeprefix("/bin/sh -c ")
    return operation, rest.strip()
