import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "watcher"

# Processes of one thread.
ALONE = ("inspection/confined", "inspection/catalogers", "evaluation/child.py", "store/migrations", "testing")
# What msgspec needs not put together.
PLAIN = {"str", "int", "bytes", "dict[str, Any]"}


def unguarded(path: Path) -> Iterator[str]:
    """Decoding into a type of ours that does not go through `known`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("msgspec.")):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        shapes = [keyword.value for keyword in node.keywords if keyword.arg == "type"] if name == "decode" else []
        shapes += node.args[1:2] if name == "convert" else []
        for shape in map(ast.unparse, shapes):
            if not shape.startswith("known(") and shape not in PLAIN:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {shape}"


def test_types_are_made_known_before_threads_decode_them() -> None:
    """Two threads that are the first to decode into one type end the process: watcher/model/first_use.py."""
    modules = (path for path in sorted(PACKAGE.rglob("*.py")) if not str(path.relative_to(PACKAGE)).startswith(ALONE))
    assert [line for path in modules for line in unguarded(path)] == []
