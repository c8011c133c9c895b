"""The demo, as a person runs it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from tests.doubles.daemon import eventually

WATCHER = [sys.executable, "-m", "watcher"]


def test_the_demo_shows_four_verdicts_and_ends() -> None:
    """One passes, three fail for the reasons the demo plants, and our own writes start no work."""
    done = subprocess.run([*WATCHER, "demo", "--exit"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.findall(r"^(PASS|WARN|FAIL|UNKNOWN)\t", done.stdout, re.MULTILINE) == ["PASS", "FAIL", "FAIL", "FAIL"]
    assert "AWS access key id in /root/.aws/credentials, line 2" in done.stdout
    assert "baseline/trusted-base" in done.stdout
    assert "CVE-2020-14343 (CRITICAL) in PyYAML 5.3.1, fixed in 5.4" in done.stdout
    assert done.stdout.count("now on disk") == 4
    assert "\x1b" not in done.stdout


def test_what_the_demo_proposes_works(tmp_path: Path) -> None:
    """Each of the three commands, while it runs; Ctrl-C then ends it quietly."""
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        environment = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
        demo = subprocess.Popen([*WATCHER, "demo"], stdout=out, stderr=err, env=environment)
    try:
        eventually(lambda: "Ctrl-C" in (tmp_path / "out").read_text(), what="the demo's last line")
        text = (tmp_path / "out").read_text()
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
