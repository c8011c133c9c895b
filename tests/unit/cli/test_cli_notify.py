import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.chat_hosts import ChatHosts, served
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.enable_socket

CONFIG = """\
publish:
  - {{type: referrer}}
  - {{type: notify, name: chat, urls: ["env:CHAT_URL", "env:OTHER_URL"]}}
  - {{type: webhook, name: hook, url: "{url}"}}
  - {{type: log, outcomes: [pass]}}
"""


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatHosts]:
    """Whoever is told, in a thread, since a command is a program of its own; and a configuration that leads there."""
    hosts, address, loop = ChatHosts(), list[str](), asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with served(hosts) as server:
            address.append(f"127.0.0.1:{server.port}")
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    (tmp_path / "watcher.yaml").write_text(CONFIG.format(url=f"http://{address[0]}/hook"))
    monkeypatch.setenv("CHAT_URL", f"json://{address[0]}/chat")
    yield hosts
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def test_a_sample_is_sent_and_says_that_it_is_one(watcher: Run, hosts: ChatHosts, tmp_path: Path) -> None:
    """One line tells that it was taken; no store is made, and the secrets of others are not asked for."""
    ended = watcher("notify", "test", "chat")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("chat: notify took the sample sample-")
    (posted,) = hosts.posted
    assert posted.path == "/chat"
    assert posted.json["title"] == "fail: registry.example.com/this-is/a-sample:test"
    assert "This is a sample" in posted.json["message"]
    assert not (tmp_path / "watcher.db").exists()


def test_machines_are_sent_one_too(watcher: Run, hosts: ChatHosts) -> None:
    """In the form of that destination."""
    ended = watcher("notify", "test", "hook", "-o", "json")
    told = json.loads(ended.out)
    assert (ended.code, told["publisher"], told["type"], told["sent"]) == (0, "hook", "webhook", True)
    (posted,) = hosts.posted
    assert posted.json["data"]["id"] == told["verdict"]
    assert posted.json["data"]["image"]["repository"] == "this-is/a-sample"


def test_a_sample_in_our_own_log_is_on_stderr(watcher: Run, hosts: ChatHosts) -> None:
    """It is of an outcome that the destination wants."""
    ended = watcher("notify", "test", "log")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 1
    assert json.loads(ended.err)["outcome"] == "pass"


def test_a_destination_that_refuses_ends_with_the_reason(watcher: Run, hosts: ChatHosts) -> None:
    """As a sentence, or as JSON; and 3, since it is not known whether anybody would be told."""
    hosts.status = 404
    ended = watcher("notify", "test", "chat")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == "watcher: notify chat: JSON answered 404: what its URL names is not there\n"
    ended = watcher("notify", "test", "chat", "-o", "json")
    told = json.loads(ended.out)
    assert (ended.code, told["sent"], told["reason"]) == (3, False, "receiver-refused")
    assert told["detail"].endswith("answered 404: what its URL names is not there")


def test_a_proxy_that_is_down_is_named(watcher: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told of verdicts is reached through that of the environment; one that nobody can speak to is an error of its own."""
    (tmp_path / "watcher.yaml").write_text(CONFIG.format(url="http://hooks.test/hook"))
    monkeypatch.setenv("HTTP_PROXY", "http://u:s3cret@127.0.0.1:1")
    ended = watcher("notify", "test", "hook")
    assert (ended.code, ended.err) == (3, "watcher: webhook hook: the proxy 127.0.0.1:1 cannot be reached: Connection refused\n")
    monkeypatch.setenv("HTTP_PROXY", "socks5://u:s3cret@127.0.0.1:1")
    ended = watcher("notify", "test", "hook")
    assert ended.code == 2
    assert ended.err == "watcher: HTTP_PROXY: SOCKS is not spoken here; name a proxy of HTTP, http://HOST:PORT\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("referrer", "publisher referrer: referrer keeps the verdicts of images, and a sample is of none"),
        ("chats", "no publisher is named 'chats'; a sample can be sent to: chat, chat-2, hook, log; did you mean 'chat'?"),
        ("chat-2", "environment variable OTHER_URL is not set; env:OTHER_URL needs it"),
    ],
)
def test_what_cannot_be_tried_is_an_error_of_the_configuration(watcher: Run, hosts: ChatHosts, name: str, said: str) -> None:
    """In one line, with 2."""
    ended = watcher("notify", "test", name)
    assert (ended.code, ended.out, ended.err) == (2, "", f"watcher: {said}\n")
    assert hosts.posted == []
