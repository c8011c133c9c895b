"""What CONTRIBUTING says of files is true of them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# A path in backquotes, and not a command: it has a slash or a suffix, and no space.
PATHS = sorted(set(re.findall(r"`((?:\.?[\w<>-]+/)+[\w.<>-]*|[\w-]+\.(?:py|md|toml|yaml|lock))`", TEXT)))
# Where the text speaks of a room it names its files without it.
ROOMS = ["", "watcher/", "watcher/inspection/", "watcher/evaluation/", "watcher/sources/", "tools/"]


def exists(name: str) -> bool:
    """`NAME` stands for any: there is at least one such file already."""
    pattern = re.sub(r"<\w+>", "*", name.replace("NAME", "*"))
    return any(next(ROOT.glob(f"{room}{pattern}".rstrip("/")), None) is not None for room in ROOMS)


def test_every_file_that_is_named_is_there() -> None:
    """Whoever begins with this page finds what it sends them to."""
    assert len(PATHS) > 20
    ours = {"protocol.py", "catalog.py", "settings.py", "NAME_settings.py"}  # one in every room
    # What is under `.cache` is made by programs, and not yet there where none has run.
    assert [name for name in PATHS if name not in ours and not name.startswith(".cache/") and not exists(name)] == []
