"""Writes what is documented from the code: `python tools/reference.py`. A test holds all of it equal.

That is docs/reference/settings.md, docs/reference/dialects.md, config/schemas/, and the blocks of docs/how-to (`tools/blocks.py`).
"""

import inspect
import json
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tools.blocks import BLOCK, filled
from tools.dialects import dialects_page
from watcher.evaluation.policies.json_schemas import policy_schema, policy_test_schema
from watcher.kit.field_comments import field_comments
from watcher.settings import Settings, schema

ROOT = Path(__file__).resolve().parent.parent
INTRODUCTION = """\
# Configuration

One YAML file; unknown and duplicate keys are errors with file, line and column.
All mistakes are told at once, each with its key, what was found and what may have been meant.
Secrets are references: `env:NAME` or `file:PATH`.
Durations (`10m`) and sizes (`20GiB`) are strings with a unit.
`watcher config check` checks a file; `watcher config schema` prints the JSON Schema, which is also in `config/schemas/`.
This page is written by `tools/reference.py` from the code.

"""


def settings_page() -> str:
    """The page: one table per struct, in the order the file has them."""
    parts: list[str] = []
    _section(Settings, "the file", parts, set())
    return INTRODUCTION + "\n".join(parts)


def generated() -> dict[Path, str]:
    """Every generated file and its content."""
    schemas = {"watcher": schema(), "policy.v1": policy_schema(), "policytest.v1": policy_test_schema()}
    return {
        ROOT / "docs" / "reference" / "settings.md": settings_page(),
        ROOT / "docs" / "reference" / "dialects.md": dialects_page(),
        **{page: filled(text) for page, text in _how_to() if BLOCK.search(text)},
        **{
            ROOT / "config" / "schemas" / f"{name}.schema.json": json.dumps(value, indent=2) + "\n"
            for name, value in schemas.items()
        },
    }


def _how_to() -> Iterator[tuple[Path, str]]:
    for page in sorted((ROOT / "docs" / "how-to").rglob("*.md")):
        yield page, page.read_text(encoding="utf-8")


def _section(struct: type[msgspec.Struct], where: str, parts: list[str], done: set[type]) -> None:
    if struct in done:
        return
    done.add(struct)
    comments = field_comments(struct)
    tag = struct.__struct_config__.tag
    title = f"`{where}`" if where != "the file" else "The file"
    lines = [f"## {title}" + (f", `type: {tag}`" if tag else ""), ""]
    if struct.__doc__:
        lines += [inspect.cleandoc(struct.__doc__), ""]
    lines += ["| key | type | default | |", "|---|---|---|---|"]
    hints = typing.get_type_hints(struct, include_extras=True)
    nested: list[tuple[type[msgspec.Struct], str]] = []
    for field in msgspec.structs.fields(struct):
        lines.append(f"| `{field.encode_name}` | {_type(hints[field.name])} | {_default(field)} | {comments.get(field.name, '')} |")
        many = "[]" if "tuple" in str(hints[field.name]) else ""
        path = f"{field.encode_name}{many}" if where == "the file" else f"{where}.{field.encode_name}{many}"
        nested += [(each, path) for each in _structs(hints[field.name])]
    parts.append("\n".join(lines) + "\n")
    for each, path in nested:
        _section(each, path, parts, done)


def _structs(hint: Any) -> list[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [each for argument in typing.get_args(hint) for each in _structs(argument)]


def _type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        described = next((each.description for each in arguments[1:] if getattr(each, "description", None)), None)
        return described.split(":")[0].removeprefix("a ") if described else _type(arguments[0])
    if origin is typing.Literal:
        return " · ".join(f"`{each}`" for each in arguments)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(dict.fromkeys(_type(each) for each in arguments if each is not type(None)))
    if origin in {tuple, list}:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"`{hint.__struct_config__.tag}` block" if hint.__struct_config__.tag else "block"
    return {"str": "text", "int": "number", "float": "number", "bool": "yes or no"}.get(
        getattr(hint, "__name__", ""), str(hint.__name__)
    )


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT:
        return "" if field.default_factory is msgspec.NODEFAULT else "empty"
    value = msgspec.to_builtins(field.default)
    if isinstance(field.default, msgspec.Struct):
        return "its defaults"
    if value is None or value in ("", (), []):
        return "none"
    if isinstance(value, str):
        return "`" + value.replace("|", "\\|") + "`"  # a cell would end there
    return f"`{value}`" if isinstance(value, (int, float)) else "`" + json.dumps(value) + "`"


def main() -> None:
    for path, content in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
