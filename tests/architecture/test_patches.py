"""What tests may put in the place of something else: a limit is passed in, by whoever makes what keeps it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")


def patched_constants(source: str) -> Iterator[str]:
    """Names of constants of ours that a text sets by `monkeypatch.setattr`: as `setattr(module, "NAME", …)` or by their path."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            named = [each.value for each in node.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            for name in named[:1]:
                path, _, last = name.rpartition(".")
                if _CONSTANT.fullmatch(last) and (not path or path.startswith("watcher.")):
                    yield name


def test_no_test_patches_a_limit() -> None:
    """A test that has to reach into a module shows that nobody else could say another limit either."""
    found = {str(path.relative_to(TESTS)): [*patched_constants(path.read_text())] for path in TESTS.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('monkeypatch.setattr("watcher.registry.pages.MAX_PAGES", 5)', ["watcher.registry.pages.MAX_PAGES"]),
        ('monkeypatch.setattr(bodies, "READ_SECONDS", 0.3)', ["READ_SECONDS"]),
        ('patching.setattr(module, "_PROGRAM", "")', ["_PROGRAM"]),
        ('monkeypatch.setattr("google.auth._metadata._HOST", "x")', []),
        ('monkeypatch.setattr("socket.getaddrinfo", resolve)', []),
        ('monkeypatch.setattr("sys.argv", ["watcher"])', []),
    ],
)
def test_the_check_sees_a_constant_of_ours(line: str, names: list[str]) -> None:
    """And leaves a system call that has to fail, and what is somebody else's, alone."""
    assert [*patched_constants(line)] == names
