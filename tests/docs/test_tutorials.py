"""The tutorials are done as a reader does them: every command of theirs, with a real docker-registry, in an empty folder."""

import os
import re
import sys
from pathlib import Path

from tests.doubles.walkthrough import Reader, Typed, Written, steps
from watcher.testing.ports import free_port

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"


def test_both_tutorials_lead_where_they_say(tmp_path: Path) -> None:
    """Every command prints what its page shows; the second page goes on where the first one ends."""
    registry, watcher = free_port(), free_port()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    with Reader(tmp_path, {"PATH": path, "HOME": str(tmp_path), "NO_COLOR": "1"}) as reader:
        reader.says |= {"localhost:5000": f"localhost:{registry}", "127.0.0.1:8080": f"127.0.0.1:{watcher}"}
        for name in ("first-registry.md", "first-policy.md"):
            for step in steps((TUTORIALS / name).read_text()):
                if isinstance(step, Typed) and step.command.startswith("watcher init"):
                    _begin(reader, step, watcher)
                else:
                    reader.does(step)


def _begin(reader: Reader, step: Typed, port: int) -> None:
    """The secret that is printed is the one that the page means; and here the watcher listens somewhere else."""
    printed = reader.prints(step.command.replace("localhost:5000", reader.says["localhost:5000"]))
    assert printed.startswith(step.shown.partition("\n")[0])
    found = re.search(r"export HOOK_SECRET=(\S+)", printed)
    assert found is not None
    reader.says["SECRET"] = found[1]
    with (reader.folder / "watcher.yaml").open("a") as file:
        file.write(f"server: {{port: {port}}}\n")


def test_a_page_is_read_in_order() -> None:
    """Files and commands as they come; what is shown belongs to the command above it."""
    page = "x\n<!-- file a/b.yaml -->\n```yaml\nc: d\n```\ny\n```console\n$ one\n$ two \\\nshown\n…\n```\n```sh\nnot run\n```\n"
    assert list(steps(page)) == [Written("a/b.yaml", "c: d\n"), Typed("one", ""), Typed("two \\", "shown\n…\n")]
