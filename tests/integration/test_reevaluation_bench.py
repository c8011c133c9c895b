"""What measures re-evaluation works, and a second day without news adds no verdict."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_measures(tmp_path: Path) -> None:
    """Small: what it says of so few images is true of them."""
    command = [sys.executable, str(ROOT / "bench" / "reevaluation.py"), "--images", "10", "--days", "2"]
    ended = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert re.search(r"judged again: 1\d images in", ended.stdout), ended.stdout
    assert re.search(r"day 2 without news: \d+ bytes, 0 verdicts more", ended.stdout), ended.stdout
