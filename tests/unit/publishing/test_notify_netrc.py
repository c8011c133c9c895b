"""What a service of apprise is not sent."""

from pathlib import Path

import pytest

from tests.doubles.chat_hosts import ChatHosts, served
from tests.doubles.publishing import Notes, publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.publishing.notify import NotifyPublisher
from watcher.publishing.notify_settings import NotifyPublisherSettings

pytestmark = pytest.mark.enable_socket


async def test_no_password_of_this_machine_goes_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `~/.netrc` has is for other programs."""
    (tmp_path / "netrc").write_text("default login somebody password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with served(hosts := ChatHosts()) as server, publisher_context(tmp_path / "w.db") as context:
        monkeypatch.setenv("CHAT_URL", f"json://127.0.0.1:{server.port}/")
        await NotifyPublisher(NotifyPublisherSettings(urls=("env:CHAT_URL",)), context).publish(a_verdict(), Notes())
    assert "authorization" not in hosts.posted[0].headers
