"""A file of authorities that is none is said before anything is connected to."""

import os
from pathlib import Path

import pytest

from watcher.kit.regular_files import MAX_BYTES, read_regular
from watcher.kit.secret import resolve
from watcher.kit.trust import VARIABLES, trust
from watcher.model.errors import ConfigurationError


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read: No such file or directory"), (b"", "holds no certificates"), (b"\xff\x00", "holds no certificates")],
)
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None, why: str) -> None:
    """By its name and with why; nobody is believed less, or more, than before."""
    path, before = tmp_path / "ca.pem", {name: os.environ.get(name) for name in VARIABLES}
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=why) as refused:
        trust(str(path))
    assert str(refused.value).startswith(f"ca_file: {path} ")
    assert {name: os.environ.get(name) for name in VARIABLES} == before


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO that nobody writes to, a device without an end, a file as large as no such file is: refused, and nothing hangs."""
    fifo, large = tmp_path / "fifo", tmp_path / "large"
    os.mkfifo(fifo)
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for path in (fifo, Path("/dev/zero"), tmp_path, large):
        why = "is larger than 16 MiB" if path == large else "is no regular file"
        with pytest.raises(OSError, match=why):
            read_regular(path)
        with pytest.raises(ConfigurationError, match=f"^ca_file: {path} cannot be read: {why}"):
            trust(str(path))
        with pytest.raises(ConfigurationError, match=f"^file:{path}: cannot be read: {why}"):
            resolve(f"file:{path}")


def test_without_a_file_nothing_is_changed() -> None:
    """The libraries find their authorities as they always do."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    trust(None)
    assert {name: os.environ.get(name) for name in VARIABLES} == before
