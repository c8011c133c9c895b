"""Where the store is: a file, named by a URL."""

from pathlib import Path

import msgspec
import pytest

from watcher.model.errors import ConfigurationError
from watcher.store.settings import StoreSettings


def test_the_default_is_a_file_beside_the_process() -> None:
    """Without configuration everything is in ./watcher.db."""
    assert StoreSettings().sqlite_path() == Path("watcher.db")


def test_a_url_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env:NAME` names the variable that holds the URL."""
    monkeypatch.setenv("STORE", "sqlite:////var/lib/watcher/watcher.db")
    assert StoreSettings(url="env:STORE").sqlite_path() == Path("/var/lib/watcher/watcher.db")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("watcher.db", "expected sqlite:///PATH or env:NAME"),
        ("sqlite://", "the path of a file"),
        ("sqlite:///:memory:", "the path of a file"),
        ("sqlite:///a%00b", "the path of a file"),
        ("sqlite:///a\0b", "the path of a file"),
        ("sqlite:///watcher.db?mode=ro", "nothing else"),
        ("sqlite://watcher.db", "the path of a file"),
        ("postgresql://user:hunter2@host/db", "postgresql is not supported by this version"),
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_what_is_no_file_is_refused(url: str, said: str) -> None:
    """The message says what was expected and repeats no password."""
    with pytest.raises(ConfigurationError, match=said) as raised:
        StoreSettings(url=url).sqlite_path()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("name", ["keep_events", "keep_verdicts"])
def test_nothing_is_forgotten_while_it_may_come_again(name: str) -> None:
    """Less than the time in which senders repeat themselves is refused at load, with the key."""
    with pytest.raises(msgspec.ValidationError, match=f"{name}: 7d is less than 8d"):
        msgspec.convert({name: "7d"}, StoreSettings)
    msgspec.convert({name: "8d"}, StoreSettings)
