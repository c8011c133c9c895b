"""What holds for every module by itself: its size, its name, and when it loads an SDK."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watcher.store.migrate import migrate

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "watcher"
MODULES = sorted(PACKAGE.rglob("*.py"))

MAX_LINES = 400

# Names that say nothing about what the module knows.
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}

# Together they cost two seconds and 100 MB at start: each is imported inside the one adapter that needs it, when it starts.
SDKS = ("boto3", "botocore", "google.cloud", "google.auth", "aiomqtt", "paho", "apprise")


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def test_a_module_fits_in_one_reading() -> None:
    """400 lines are the wall; a module at the wall knows two things and is split."""
    others = (path for room in ("tests", "bench", "tools") for path in (PROJECT / room).rglob("*.py"))
    lines = {relative(path): path.read_text(encoding="utf-8").count("\n") for path in (*MODULES, *others)}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_a_module_is_named_after_what_it_knows() -> None:
    """No part of a module's path is one of the names that fit anything."""
    names = {relative(path): {part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts} for path in MODULES}
    assert [name for name, parts in names.items() if parts & VAGUE] == []


def imported_when_loaded(body: list[ast.stmt]) -> Iterator[str]:
    """Full names that importing a module imports: everything outside functions and `if TYPE_CHECKING`."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from imported_when_loaded(statement.orelse)
        else:
            for _, field in ast.iter_fields(statement):
                if isinstance(field, list):
                    yield from imported_when_loaded([node for node in field if isinstance(node, ast.stmt)])
                    for handler in (node for node in field if isinstance(node, (ast.ExceptHandler, ast.match_case))):
                        yield from imported_when_loaded(handler.body)


def early_sdks(source: str) -> list[str]:
    """The imports of SDKs among `imported_when_loaded`."""
    prefixes = tuple(f"{sdk}." for sdk in SDKS)
    return [name for name in imported_when_loaded(ast.parse(source).body) if f"{name}.".startswith(prefixes)]


def test_no_module_imports_an_sdk_when_it_is_loaded() -> None:
    """An SDK is imported where it is first used, so nobody pays for a cloud that is not configured."""
    early = {relative(path): early_sdks(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {name: sdks for name, sdks in early.items() if sdks} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import boto3",
        "import google.cloud.pubsub_v1 as pubsub",
        "from google.cloud import pubsub_v1",
        "from google import cloud",
        "try:\n    import aiomqtt\nexcept ImportError:\n    pass",
        "try:\n    import msgspec\nexcept ImportError:\n    import paho.mqtt",
        "class Source:\n    from botocore.config import Config",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import apprise",
    ],
)
def test_the_check_sees_every_way_of_importing_early(source: str) -> None:
    """The check above would be worth nothing if a `try` or a class could hide an import from it."""
    assert early_sdks(source)


@pytest.mark.parametrize("source", ["def start():\n    import boto3", "if TYPE_CHECKING:\n    import boto3", "import boto3_free"])
def test_the_check_allows_late_imports(source: str) -> None:
    """Inside a function, or for the type checker only, an SDK costs nothing at start."""
    assert not early_sdks(source)


def test_the_command_starts_without_any_sdk() -> None:
    """`watcher` loads no SDK, not even through a package that we import."""
    program = f"import sys, watcher.__main__; print(*[name for name in {SDKS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == []


def test_reading_a_configuration_loads_nothing_that_a_part_of_it_needs() -> None:
    """`config check`, an editor's schema and every command pay for the fields alone: no server, no database, no event loop."""
    heavy = (
        "aiohttp",
        "sqlalchemy",
        "alembic",
        "structlog",
        "asyncio",
        "cryptography",
        "jwt",
        "hyperscan",
        "cel_expr_python",
        *SDKS,
    )
    program = f"import sys, watcher.settings; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == []


COMPOSED = """
import asyncio, sys
from pathlib import Path
from watcher.daemon import assembled, begin_evaluator
from watcher.evaluation.policies.loading import load_settings
from watcher.settings import load

async def compose(path):
    settings = load(path)
    evaluator = await begin_evaluator(load_settings(settings.policies, beside=path.parent))
    async with assembled(settings, folder=path.parent, evaluator_begun=evaluator):
        print("loaded:", *[name for name in sys.argv[2:] if name in sys.modules])

asyncio.run(compose(Path(sys.argv[1])))
"""


def test_a_daemon_loads_nothing_for_what_is_not_configured(tmp_path: Path) -> None:
    """Hearing by a webhook and attaching verdicts, on the store it has: no SDK, no templates, nothing that upgrades tables."""
    (tmp_path / "watcher.yaml").write_text(
        f"store: {{url: 'sqlite:///{tmp_path}/watcher.db'}}\n"
        "registries: [{host: registry.example.com}]\n"
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "publish: [{type: referrer}]\n"
    )
    migrate(tmp_path / "watcher.db")
    unused = [*SDKS, "grpc", "requests", "jinja2", "cryptography", "jwt", "alembic", "cel_expr_python"]
    done = subprocess.run(
        [sys.executable, "-c", COMPOSED, str(tmp_path / "watcher.yaml"), *unused],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOOK_SECRET": "x" * 32},
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_only_publishers_claim_what_they_write() -> None:
    """A daemon alone on its store asks its memory whose a digest is: what a command claimed beside it would not be there."""
    claiming = {relative(path) for path in MODULES if "own_writes.claim(" in path.read_text()}
    assert claiming
    assert {path for path in claiming if not path.startswith("watcher/publishing/")} == set()
