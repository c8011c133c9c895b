"""Blocks of pages that are written from the code; the rest of such a page is written by hand.

A block stands between `<!-- watcher init --registry ghcr.io -->` (what that command writes and prints), `<!-- carries ghcr -->`
(what an event of that dialect names, and what it lacks) or `<!-- quarantine table -->` (what that can block where), and
`<!-- end -->`.
"""

import contextlib
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from click.testing import CliRunner

from tools.dialects import carried
from watcher.cli.init import init
from watcher.publishing.quarantine.capabilities import CAPABILITIES

BLOCK = re.compile(r"(<!-- (watcher init|carries|quarantine) ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
# What `watcher init` makes up, twice as many digits as bytes.
SECRET = re.compile(r"\b[0-9a-f]{48}\b")
FILE = "watcher.yaml"


def filled(page: str) -> str:
    """The page with every block as it has to be."""
    return BLOCK.sub(lambda found: f"{found[1]}{WRITERS[found[2]](found[3])}{found[4]}", page)


def _initialised(arguments: str) -> str:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        ended = CliRunner().invoke(init, shlex.split(arguments), catch_exceptions=False)
        configuration = Path(FILE).read_text(encoding="utf-8")
    steps = SECRET.sub("SECRET", ended.stdout)
    secret = ", with a fresh secret where this page says `SECRET`" if "SECRET" in steps else ""
    return (
        f"```console\n$ watcher init {arguments}\n```\n\n"
        f"It writes `{FILE}`:\n\n```yaml\n{configuration}```\n\n"
        f"and prints{secret}:\n\n```text\n{steps}```\n"
    )


def _carried(dialect: str) -> str:
    every, some, none = carried(dialect)
    sentences = [f"Every recorded push names {_listed(every, 'and')}."]
    sentences += [f"Some name {_listed(some, 'and')}."] if some else []
    sentences += [f"None names {_listed(none, 'or')}."] if none else []
    return "\n".join(sentences) + "\n"


def _listed(words: tuple[str, ...], conjunction: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def _capabilities(_: str) -> str:
    lines = [
        "| kind of registry | of its own | which blocks | takes tags away | tried on the service | |",
        "|---|---|---|---|---|---|",
    ]
    for kind, can in CAPABILITIES.items():
        native = f"{can.native}; needs {can.permission}" if can.native else "nothing"
        words = ("yes" if can.deletes_tags else "no", "no" if can.experimental else "yes")
        lines.append(f"| `{kind}` | {native} | {can.blocks.value} | {' | '.join(words)} | {can.note} |")
    return "\n".join(lines) + "\n"


WRITERS: Mapping[str, Callable[[str], str]] = {"watcher init": _initialised, "carries": _carried, "quarantine": _capabilities}
