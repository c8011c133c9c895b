"""News from a broker, through the whole daemon: it says that it hears, judges what it heard, and says when it hears no more."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.mosquitto import start_mosquitto
from tests.doubles.mqtt_bench import publish
from tests.doubles.pushing import attached_verdict, skopeo_push, write_layout
from watcher.testing.images import build_image, build_layer
from watcher.testing.ports import free_port

pytestmark = pytest.mark.timeout(120)

CONFIG = """\
registries: [{{host: "{host}"}}]
sources: [{{type: mqtt, name: edge, dialect: cloudevents, host: 127.0.0.1, port: {port}, topic: "registry/+/push"}}]
publish: [{{type: referrer}}]
"""


def test_a_push_that_a_broker_tells_of_gets_its_verdict(
    start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path
) -> None:
    """A broker that goes away makes the daemon degraded, not unready."""
    registry = start_docker_registry(tmp_path / "registry")
    broker = start_mosquitto(tmp_path / "broker")
    image = build_image([build_layer({"etc/os-release": "ID=debian\n"})], config={"User": "1000"})
    skopeo_push(write_layout(tmp_path / "layout", image), f"{registry.host}/team/app:v1")
    daemon = RunningDaemon(directory=tmp_path, config=CONFIG.format(host=registry.host, port=broker.port), port=free_port())
    daemon.start()

    def source() -> Any:
        return daemon.get("/api/v1/sources")["sources"][0]

    try:
        daemon.eventually(lambda: source()["connected"], what="a connection")
        data = {"registry": registry.host, "repository": "team/app", "tag": "v1", "digest": image.digest}
        event = {"specversion": "1.0", "id": "1", "source": "/ci", "type": "image.pushed", "data": data}
        asyncio.run(publish(broker.port, json.dumps(event).encode(), topic="registry/eu/push"))
        *_, verdict = daemon.eventually(lambda: attached_verdict(registry.url, "team/app", image.digest), what="a verdict")
        assert verdict["event"]["source"] == "edge"
        assert source()["last_event_at"] is not None
        broker.stop()
        eventually(lambda: not source()["connected"], what="the loss")
        ready = daemon.get("/readyz")
        assert (ready["status"], ready["down"]) == ("degraded", {"source-edge": "disconnected"})
        assert ready["sources"]["edge"]["connected"] is False
        broker.start()
        eventually(lambda: source()["connected"], what="the connection again")
        ready = daemon.get("/readyz")
        assert (ready["status"], ready["sources"]["edge"]["connected"]) == ("ready", True)
    finally:
        broker.stop()
        assert daemon.stop() == 0
