"""`watcher doctor` at queues, subscriptions and brokers: what they say of themselves, and that no message is taken."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from tests.doubles.mosquitto import Mosquitto, may_subscribe, start_mosquitto
from tests.doubles.moto import IDENTITY, shared_moto
from tests.doubles.pubsub_server import SUBSCRIPTION, TOPIC, PubsubServer
from watcher.testing.ports import free_port

PASSWORD = "hush-hush"
HOST = "registry.example.com"
REGION = {"region": "eu-west-1"}
SECONDS = 60.0


async def doctor(folder: Path, *, code: int, **written: Any) -> Mapping[str, Mapping[str, str]]:
    """Steps of sources and publishers, by the names of these. The registry is nobody's."""
    document = {"server": {"port": free_port()}, "registries": [{"host": "nosuch.invalid"}], **written}
    (folder / "watcher.yaml").write_text(yaml.safe_dump(document))
    files = {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "watcher",
        "doctor",
        "-o",
        "json",
        cwd=folder,
        env={**os.environ, **IDENTITY, **files, "PYTHONPATH": str(Path.cwd()), "PASSWORD": PASSWORD},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        printed, complained = await process.communicate()
    assert process.returncode == code, printed.decode() + complained.decode()
    assert complained == b""
    assert PASSWORD.encode() not in printed
    steps = [json.loads(line) for line in printed.splitlines()]
    return {step["name"]: step for step in steps if step["area"] in {"source", "publisher"}}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """It takes one user, who may read what is below `registry/`."""
    (tmp_path / "broker").mkdir()
    allowed = may_subscribe(tmp_path / "broker" / "security.json", "registry/#", password=PASSWORD)
    running = start_mosquitto(tmp_path / "broker", settings=allowed)
    yield running
    running.stop()


async def test_queues(tmp_path: Path) -> None:
    """What waits in them still does; one that is not there, and one without dead letters, are told."""
    moto = await asyncio.to_thread(shared_moto)
    queue, plain = moto.queue(max_receives=5), moto.queue()
    queue.send(b"one", b"two")
    common = {"type": "sqs", "dialect": "ecr", "registry": HOST, **REGION}
    sources = [
        {**common, "name": "good", "queue_url": queue.url},
        {**common, "name": "plain", "queue_url": plain.url},
        {**common, "name": "gone", "queue_url": f"{queue.url}-not"},
    ]
    publish = [
        {"type": "sqs", "name": "out", "queue_url": queue.url, **REGION},
        {"type": "sqs", "name": "out-gone", "queue_url": f"{queue.url}-not", **REGION},
    ]
    steps = await doctor(tmp_path, code=1, sources=sources, publish=publish)
    assert steps["good"]["detail"] == "messages: 2 waiting, 0 being read; dead letters after 5 receipts"
    assert steps["plain"]["result"] == "warning"
    assert "redrive policy" in steps["plain"]["advice"]
    assert steps["gone"]["result"] == "failed"
    assert "no such queue" in steps["gone"]["detail"]
    assert steps["out"]["result"] == "ok"
    assert steps["out-gone"]["result"] == "failed"
    assert "sqs:SendMessage" in steps["out-gone"]["advice"]
    assert queue.counts() == (2, 0)


async def test_a_queue_that_we_may_not_look_at(tmp_path: Path) -> None:
    """Reading it takes other permissions, so it is a warning; they are named."""
    moto = await asyncio.to_thread(shared_moto)
    queue = moto.queue()
    await asyncio.to_thread(moto.checks_permissions, does=True)
    try:
        source = {"type": "sqs", "name": "q", "dialect": "ecr", "registry": HOST, "queue_url": queue.url, **REGION}
        steps = await doctor(tmp_path, code=1, sources=[source])
    finally:
        await asyncio.to_thread(moto.checks_permissions, does=False)
    assert steps["q"]["result"] == "warning"
    assert "sqs:GetQueueAttributes would show it; to read it takes sqs:ReceiveMessage" in steps["q"]["advice"]


async def test_brokers(tmp_path: Path, broker: Mosquitto) -> None:
    """The daemon's own session stays where it is; a topic that may not be read is told, as is a password that is wrong."""
    common = {"type": "mqtt", "host": "127.0.0.1", "port": broker.port, "username": "watcher", "password": "env:PASSWORD"}
    source = {**common, "dialect": "cloudevents", "registry": HOST, "topic": "registry/+/push"}
    sources = [
        {**source, "name": "good"},
        {**source, "name": "old", "version": "3.1.1"},
        {**source, "name": "denied", "topic": "$share/all/other/#"},
        {**source, "name": "other", "topic": "other/#"},
        {**source, "name": "stranger", "username": "nobody"},
    ]
    publish = [{**common, "name": "bus"}, {**common, "name": "bus-stranger", "username": "nobody"}]
    steps = await doctor(tmp_path, code=1, sources=sources, publish=publish)
    assert steps["good"]["detail"] == f"127.0.0.1:{broker.port} takes us, and grants registry/+/push"
    assert steps["old"]["result"] == "ok"
    assert "shared topics were not tried" in steps["denied"]["detail"]
    assert [steps[name]["result"] for name in ("stranger", "bus", "bus-stranger")] == ["failed", "ok", "failed"]
    assert "refuses us" in steps["stranger"]["detail"]
    assert steps["other"]["result"] == "failed"
    assert steps["other"]["detail"].startswith(f"127.0.0.1:{broker.port} refuses other/#: ")
    assert "access list" in steps["other"]["advice"]
    assert "PUBLISH" not in broker.log  # nobody hears that a watcher is there, or has gone
    assert "watcher-good" not in broker.log


async def test_subscriptions(tmp_path: Path) -> None:
    """Nothing is pulled from one that is there; what we may not look at we may read all the same."""
    server = PubsubServer()
    server.start()
    try:
        server.publish(b"news")
        common = {"type": "pubsub", "endpoint": server.endpoint}
        source = {**common, "dialect": "gar", "registry": HOST}
        sources = [
            {**source, "name": "good", "subscription": SUBSCRIPTION},
            {**source, "name": "gone", "subscription": f"{SUBSCRIPTION}-not"},
        ]
        publish = [{**common, "name": "topic", "topic": TOPIC}]
        steps = await doctor(tmp_path, code=1, sources=sources, publish=publish)
        assert steps["good"]["detail"] == f"of {TOPIC}; no dead letters"
        assert steps["gone"]["result"] == "failed"
        assert steps["topic"]["result"] == "ok"
        server.refuse("GetSubscription", grpc.StatusCode.PERMISSION_DENIED, "not you")
        steps = await doctor(tmp_path, code=1, sources=sources[:1])
        assert steps["good"]["result"] == "warning"
        assert "roles/pubsub.subscriber" in steps["good"]["advice"]
    finally:
        server.kill()
