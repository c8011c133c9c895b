"""Every text of an image that is in none of its layers: of its configuration and its manifest, in unknown fields too. Pure.

Whoever pulls the image reads them all, whether we know the field or not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from watcher.model.build_steps import build_step
from watcher.model.image import ImageConfig

# Fields of the configuration that are told apart as variables, labels and build steps.
_TOLD_APART = re.compile(r"config\.(?:Env|Labels)|history\[\d+\]\.created_by")
# Lists that are one command, and what stands before a part that is a script.
_COMMANDS = frozenset({"Entrypoint", "Cmd", "Test"})
_SCRIPT = re.compile(r"CMD-SHELL|-[A-Za-z]*c|/[cC]|-[cC]ommand")
_WHOLE_ASSIGNMENT = re.compile(r"-{0,2}([A-Za-z_][\w.-]{0,100})=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageText:
    """One text. `where` and `path` are those of a Secret; `name` is what the text is the value of, empty where nothing says."""

    where: str
    path: str
    text: str
    name: str = ""


def named_texts(config: ImageConfig) -> Iterator[ImageText]:
    """Variables, then labels, then build steps with the build arguments they were given."""
    for variable in config.env:
        yield _variable("env", None, variable)
    for name, value in config.labels.items():
        yield ImageText(where="label", path=name, text=value, name=name)
        yield ImageText(where="label", path=name, text=name)
    variables = sorted(config.env, key=len, reverse=True)
    for number, step in enumerate(config.history, 1):
        place, told = f"step {number}", build_step(step.created_by)
        for name, value in told.build_arguments:
            yield ImageText(where="history", path=place, text=value, name=name)
        text = told.arguments
        if told.operation == "ENV":
            # Written without quotes: only the variable itself says where its value ends.
            for variable in variables:
                text = text.replace(variable, "") if variable.partition("=")[2] else text
            text = f"ENV {text}"
        yield ImageText(where="history", path=place, text=text)


def other_texts(where: str, raw: bytes) -> Iterator[ImageText]:
    """Every other text of a JSON document, names of fields too, by the way to it: `config.Entrypoint`, `history[2].author`.

    Nothing of what is no JSON.
    """
    try:
        ahead: list[tuple[str, str, Any]] = [("", "", msgspec.json.decode(raw))]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return
    while ahead:
        path, name, value = ahead.pop()
        if where == "config" and _TOLD_APART.fullmatch(path):
            continue
        if isinstance(value, str):
            yield ImageText(where=where, path=path, text=value, name=name)
        elif isinstance(value, dict):
            yield from (ImageText(where=where, path=path, text=key) for key in value)
            ahead += reversed([(f"{path}.{key}" if path else key, key, item) for key, item in value.items()])
        elif isinstance(value, list):
            texts = [part for part in value if isinstance(part, str)]
            if name in _COMMANDS:
                yield from _command(where, path, texts)
            elif name == "Env":
                yield from (_variable(where, path, text) for text in texts)
            else:
                yield from (ImageText(where=where, path=path, text=text) for text in texts)
            ahead += reversed([(f"{path}[{at}]", "", part) for at, part in enumerate(value) if not isinstance(part, str)])


def _variable(where: str, path: str | None, variable: str) -> ImageText:
    name, _, value = variable.partition("=")
    return ImageText(where=where, path=name if path is None else path, text=value, name=name)


def _command(where: str, path: str, words: list[str]) -> Iterator[ImageText]:
    """The command as a line, where an option's value is the next word; but an assignment by itself, since it may have spaces."""
    rest = []
    for before, word in zip(("", *words), words, strict=False):
        assigned = None if _SCRIPT.fullmatch(before) else _WHOLE_ASSIGNMENT.fullmatch(word)
        if assigned is not None:
            yield ImageText(where=where, path=path, text=assigned[2], name=assigned[1])
        else:
            rest.append(f'"{word}"' if re.search(r"\s", word) and '"' not in word and before.startswith("-") else word)
    yield ImageText(where=where, path=path, text=" ".join(rest))
