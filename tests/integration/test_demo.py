"""The demo, as a person runs it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from tests.doubles.daemon import eventually
from tests.doubles.terminal import at_a_terminal

WATCHER = [sys.executable, "-m", "watcher"]


README = Path(__file__).parents[2] / "README.md"
# What is another each time: ports, moments, digests (the registry's port is in an image), the folder, and what began the demo.
CHANGING = (
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"(sha256[:-])[0-9a-f]+", r"\1DIGEST"),
    (r"demo-\w+", "demo-X"),
)


def test_the_demo_shows_four_verdicts_and_ends_as_in_the_readme() -> None:
    """One passes, three fail for the reasons the demo plants; our own writes start no work, and stand under their image."""
    code, shown = at_a_terminal([*WATCHER, "demo", "--exit"], columns=100)
    assert code == 0, shown
    (sample,) = re.findall(r"```\n(Registry Watcher .*?)```", README.read_text(), re.DOTALL)
    assert comparable(shown) == comparable(sample)


def comparable(text: str) -> list[str]:
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text)
    return [line.rstrip() for line in text.strip().splitlines()]


def test_what_the_demo_proposes_works(tmp_path: Path) -> None:
    """Each of the three commands, while it runs; Ctrl-C then ends it quietly."""
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        environment = {**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
        demo = subprocess.Popen([*WATCHER, "demo"], stdout=out, stderr=err, env=environment)
    try:
        eventually(lambda: "Ctrl-C" in (tmp_path / "out").read_text(), what="the demo's last line")
        text = (tmp_path / "out").read_text()
        lines = text.splitlines()
        assert [line.split("\t")[0] for line in lines if "\t" in line] == ["PASS", "FAIL", "fail", "FAIL", "fail", "FAIL", "fail"]
        assert "\x1b" not in text
        assert max(map(len, lines)) > 200  # nothing is wrapped where there is no terminal
        scan, curl, show = re.findall(r"^  ((?:\S*watcher|curl) .+)$", text.split("Next:")[1], re.MULTILINE)
        scanned = subprocess.run([*WATCHER, *scan.split()[1:]], capture_output=True, text=True, timeout=60, check=False)
        assert scanned.returncode == 1
        assert "baseline/aws-keys" in scanned.stdout
        with urlopen(curl.split()[-1], timeout=10) as response:  # curl itself may not be on the machine
            assert b"application/vnd.registry-watcher.verdict.v1+json" in response.read()
        shown = subprocess.run([*WATCHER, *show.split()[1:]], capture_output=True, text=True, timeout=60, check=False)
        assert shown.returncode == 1, shown.stderr
        assert "baseline/aws-keys" in shown.stdout
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=15) == 0
    assert (tmp_path / "err").read_text() == ""
