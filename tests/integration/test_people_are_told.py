"""A daemon that tells people: each service once, nothing of a URL anywhere, and no service keeps it from ending."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.daemon import Receiver, RunningDaemon
from tests.doubles.hooks import deliver, envelope, push_event
from tests.doubles.served_registry import ServedRegistry
from watcher.testing.images import build_image, build_layer

TOKEN = "tOKeNofAcHaTnobodyMaySee"


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    pair = Receiver(), Receiver()
    yield pair
    for each in pair:
        each.close()


@pytest.fixture
def daemon(tmp_path: Path, receivers: tuple[Receiver, Receiver]) -> Iterator[tuple[RunningDaemon, ServedRegistry]]:
    registry = ServedRegistry()
    config = (
        f'registries: [{{host: "{registry.host}"}}]\n'
        "sources: [{type: webhook, dialect: distribution, auth: {type: bearer, secret: 'env:HOOK_SECRET'}}]\n"
        "log: {level: debug}\n"
        "publish: [{type: notify, name: chat, urls: ['env:FIRST_URL', 'env:SECOND_URL']}]\n"
    )
    first, second = (each.url.replace("http://", "json://") + f"/{TOKEN}" for each in receivers)
    environment = {"FIRST_URL": first, "SECOND_URL": second}
    running = RunningDaemon(directory=tmp_path, config=config, environment=environment)
    running.start()
    yield running, registry
    running.kill()
    registry.close()


def push_a_failure(daemon: RunningDaemon, registry: ServedRegistry) -> None:
    image = build_image([build_layer({"root/.aws/credentials": "[default]\naws_access_key_id = AKIA" + "Q3EGRIMZ7KLDOP5X\n"})])
    registry.put("team/app", image)
    assert deliver(daemon, envelope(push_event(registry.host, "team/app", image)))[0] == 202


def test_each_service_is_told_once_and_its_url_is_a_secret(
    daemon: tuple[RunningDaemon, ServedRegistry], receivers: tuple[Receiver, Receiver], tmp_path: Path
) -> None:
    """One that refuses is a dead letter by its name and for its reason; the token is in no log, no answer and no store."""
    running, registry = daemon
    first, second = receivers
    second.status = 404
    push_a_failure(running, registry)
    (letter,) = running.eventually(lambda: running.get("/api/v1/dead-letters")["dead_letters"], what="the dead letter")
    assert letter["publisher"] == "chat-2"
    assert letter["reason"] == "receiver-refused"
    assert "answered 404: what its URL names is not there" in json.dumps(letter)
    running.eventually(lambda: first.requests, what="the message")
    assert running.stop() == 0
    assert (len(first.requests), len(second.requests)) == (1, 1)
    told = json.loads(first.requests[0][1])
    assert told["title"].startswith(f"fail: {registry.host}/team/app")
    assert "AWS access key" in told["message"]
    kept = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {"daemon.log", "watcher.db"} <= {path.name for path in kept}
    assert not [path.name for path in kept if TOKEN.encode() in path.read_bytes()]


def test_a_service_that_hangs_does_not_keep_the_daemon(
    daemon: tuple[RunningDaemon, ServedRegistry], receivers: tuple[Receiver, Receiver]
) -> None:
    """Nothing can call a message back that is under way, and nobody waits for its end."""
    running, registry = daemon
    first, _ = receivers
    first.delay_seconds = 60.0
    push_a_failure(running, registry)
    running.eventually(lambda: first.requests, what="the message")
    assert running.stop(seconds=10) == 0
