"""Holds the versions of who makes a layer's facts to their code.

    python tools/makers.py               accept what changed together with its version
    python tools/makers.py --same-facts  accept all: you say that every layer gives the same facts as before

tests/golden/makers.json has a version and a digest of the code of each. The digest is over the syntax, so that comments, docstrings
and formatting cost nobody a second reading of every layer. The code is the maker's own modules and what they import of the room;
watcher/model and watcher/kit are not in it.
"""

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.makers import READER, SECRETS, Makers

PROJECT = Path(__file__).resolve().parent.parent
ROOM = Path("watcher/inspection")
GOLDEN = PROJECT / "tests" / "golden" / "makers.json"

# Where each maker begins. What another maker begins with is not of this one, though it may import it; nor is the list of them all.
LIST = ROOM / "catalogers" / "catalog.py"
ROOTS = {
    READER: (ROOM / "confined" / "layer_reader.py", ROOM / "workers" / "collector.py"),
    SECRETS: (ROOM / "confined" / "secret_stream.py", ROOM / "secrets" / "rules.py", ROOM / "secrets" / "rules.yaml"),
    **{each.type: (Path(inspect.getfile(type(each))).relative_to(PROJECT),) for each in CATALOGERS.values()},
}

# The version's own line changes with it, and says nothing else.
_VERSIONS = frozenset({"version", "VERSION"})

Makings = dict[str, dict[str, Any]]


def makings(project: Path = PROJECT) -> Makings:
    """The version of each maker as this process has it, and the digest of its code as it is below `project`."""
    versions = dict(name.split("/") for name in Makers().names)
    return {maker: {"version": int(versions[maker]), "code": _digest(project, modules(project, maker))} for maker in sorted(ROOTS)}


def forgotten(golden: Makings, now: Makings) -> list[str]:
    """A sentence for each maker whose code is not that of the golden file although its version is."""
    return [
        f"{maker}: its code changed (one of {', '.join(str(path.relative_to(ROOM)) for path in modules(PROJECT, maker))}) and its "
        f"version, {making['version']}, did not. Can a layer now give other facts? Then raise the version, and run `python "
        "tools/makers.py`. It cannot? `python tools/makers.py --same-facts`."
        for maker, making in now.items()
        if maker in golden and golden[maker]["code"] != making["code"] and golden[maker]["version"] == making["version"]
    ]


def modules(project: Path, maker: str) -> list[Path]:
    """The files of a maker: where it begins, and what is imported from there."""
    others = {LIST, *(path for name, roots in ROOTS.items() if name != maker for path in roots)}
    found: set[Path] = set()
    ahead = list(ROOTS[maker])
    while ahead:
        path = ahead.pop()
        if path not in found and path not in others:
            found.add(path)
            ahead += _imported(project, path) if path.suffix == ".py" else ()
    return sorted(found)


def _imported(project: Path, path: Path) -> Iterator[Path]:
    for name in _imports((project / path).read_text()):
        module = Path(*name.split(".")).with_suffix(".py")
        if module.is_relative_to(ROOM) and (project / module).exists():
            yield module


# Makers share most of their modules.
@cache
def _imports(text: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return tuple(names)


def _digest(project: Path, paths: list[Path]) -> str:
    digest = sha256()
    for path in paths:
        digest.update(f"{path}\n{_meaning((project / path).read_text(), path.suffix)}\n".encode())
    return digest.hexdigest()


@cache
def _meaning(text: str, suffix: str) -> str:
    return repr(_shape(ast.parse(text)) if suffix == ".py" else yaml.safe_load(text))


def _shape(node: Any) -> Any:
    """A syntax tree as plain values that are the same in every version of Python: without places, docstrings, and empty fields."""
    if isinstance(node, list):
        return [_shape(each) for each in node if not _says_nothing(each)]
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, value) for name, value in ast.iter_fields(node) if name != "kind" and value not in (None, []))
    return (type(node).__name__, [(name, _shape(value)) for name, value in fields])


def _says_nothing(node: Any) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int())):
            return name in _VERSIONS
    return False


def main() -> None:
    now = makings()
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if "--same-facts" not in sys.argv[1:] and (sentences := forgotten(golden, now)):
        sys.exit("\n".join(sentences))
    GOLDEN.write_text(json.dumps(now, indent=2) + "\n")


if __name__ == "__main__":
    main()
