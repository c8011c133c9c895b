"""`watcher run` with several destinations: kill -9 after one was told and before that was settled, and one that never answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.daemon import Receiver, RunningDaemon, eventually
from tests.doubles.hooks import deliver, envelope, push_event, rows
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import build_image, build_layer

# Longer than any test: what is held is let go by the kill.
HELD_SECONDS = 60.0
STATES = "SELECT state FROM publication WHERE publisher = ?"


@pytest.fixture
def registry() -> Iterator[ServedRegistry]:
    serving = ServedRegistry()
    yield serving
    serving.close()


@pytest.fixture
def receivers() -> Iterator[dict[str, Receiver]]:
    """Of a webhook, of another one, and of a chat."""
    there = {name: Receiver() for name in ("hook", "other", "chat")}
    yield there
    for each in there.values():
        each.close()


@pytest.fixture
def daemon(tmp_path: Path, registry: ServedRegistry, receivers: dict[str, Receiver]) -> Iterator[RunningDaemon]:
    chat = receivers["chat"].url.replace("http://", "json://")
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "publish:\n"
        f"  - {{type: webhook, name: hook, url: '{receivers['hook'].url}'}}\n"
        f"  - {{type: webhook, name: other, url: '{receivers['other'].url}'}}\n"
        "  - {type: notify, name: chat, urls: ['env:CHAT_URL'], outcomes: [pass, warn, fail], window: 1s}\n"
    )
    running = RunningDaemon(directory=tmp_path, config=config, environment={"CHAT_URL": chat})
    running.start()
    yield running
    assert running.stop() == 0


def push(daemon: RunningDaemon, registry: ServedRegistry, name: str) -> None:
    image = build_image([build_layer({"app/name": name})], config={"User": "1000"})
    registry.put(name, image)
    assert deliver(daemon, envelope(push_event(registry.host, name, image)))[0] == 202


def settled(daemon: RunningDaemon, publisher: str, count: int) -> bool:
    return [row["state"] for row in rows(daemon, STATES, publisher)] == ["published"] * count


def test_what_was_not_settled_is_told_again_by_the_same_name(
    daemon: RunningDaemon, registry: ServedRegistry, receivers: dict[str, Receiver]
) -> None:
    """A consumer drops the repetition by its id; who was settled before the kill is told nothing twice."""
    hook, chat = receivers["hook"], receivers["chat"]
    hook.delay_seconds = chat.delay_seconds = HELD_SECONDS
    push(daemon, registry, "team/held")
    eventually(lambda: hook.requests and chat.requests and settled(daemon, "other", 1), what="all told, one settled")
    daemon.kill()
    hook.delay_seconds = chat.delay_seconds = 0.0
    daemon.start()
    eventually(lambda: settled(daemon, "hook", 1) and settled(daemon, "chat", 1), what="the others told again")
    first, again = ((headers["webhook-id"], body) for headers, body in hook.requests)
    assert first == again
    (text, once_more) = (event["title"] for event in chat.events())
    assert text == once_more
    assert len(receivers["other"].requests) == 1


def test_one_that_never_answers_holds_up_nobody(
    daemon: RunningDaemon, registry: ServedRegistry, receivers: dict[str, Receiver]
) -> None:
    """More is pushed than it has places for; the others are told of all of it, and /readyz says how each is."""
    pushes = 12
    receivers["hook"].delay_seconds = HELD_SECONDS
    for number in range(pushes):
        push(daemon, registry, f"team/app-{number}")
    eventually(lambda: len(receivers["other"].requests) == pushes, what="the other hook")
    eventually(lambda: settled(daemon, "chat", pushes), what="the chat")
    assert 1 <= len(receivers["chat"].requests) < pushes
    ready = daemon.get("/readyz")
    assert ready["destinations"]["other"]["reachable"]
    assert ready["destinations"]["other"]["problem"] is None
    assert ready["destinations"]["other"]["last_published_at"] is not None
    assert ready["destinations"]["hook"]["last_published_at"] is None
    receivers["hook"].delay_seconds = 0.0
    daemon.kill()  # what it waits for ends with it
    daemon.start()
    eventually(lambda: settled(daemon, "hook", pushes), what="the first hook, once it answers")
