"""What the CEL checker reports, in the words of policies, and what it does not check."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from cel_expr_python import cel

from watcher.evaluation.document.types import CONTAINER
from watcher.evaluation.document.variables import COLLECTIONS


def complaints_of(error: str, place: Callable[[int, int], str]) -> list[str]:
    """CEL's report, one line a mistake. Its columns count code points from 1."""
    found = re.findall(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)", error)
    if not found:
        whole = error.splitlines()[0].removeprefix("CANCELLED: ").removesuffix(" [CANCELLED]")
        return [f"{place(1, 1)}: {whole:.200}"]
    # What is wrong with the whole has no place: -1.
    return [f"{place(max(1, int(line)), max(1, int(column)))}: {_reworded(text)}" for line, column, text in found]


def _reworded(text: str) -> str:
    text = text.removesuffix(" [INVALID_ARGUMENT]").replace(f" (in container '{CONTAINER}')", "").replace(f"{CONTAINER}.", "")
    undeclared = re.match(r"undeclared reference to '(\w+)'", text)
    if undeclared and undeclared[1] in COLLECTIONS:
        return f"{undeclared[0]}; go through its elements with `each: {undeclared[1]} as {undeclared[1][0]}`"
    return text


def pattern_problem(pattern: str) -> str:
    """Why RE2 does not take a literal pattern: the checker lets it pass, and every evaluation would err."""
    compiled = cel.NewEnv(variables={"p": cel.Type.STRING}).compile('"".matches(p)')
    result = compiled.eval(data={"p": pattern})
    return str(result.value()).removeprefix("INVALID_ARGUMENT: ") if result.type() == cel.Type.ERROR else ""


PRINTABLE: Sequence[Any] = (
    cel.Type.STRING,
    cel.Type.INT,
    cel.Type.UINT,
    cel.Type.DOUBLE,
    cel.Type.BOOL,
    cel.Type.TIMESTAMP,
    cel.Type.DURATION,
    cel.Type.DYN,
    cel.Type.List(cel.Type.STRING),
)


def type_name(kind: Any) -> str:
    return str(kind).removeprefix(f"{CONTAINER}.").lower() if not kind.is_message() else f"a {str(kind.name()).rpartition('.')[2]}"
