"""Every sender there is tells one daemon of a push to a real registry, by HTTP and through real brokers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.doubles.daemon import HOOK_SECRET, RunningDaemon
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.mosquitto import start_mosquitto
from tests.doubles.moto import isolate_identity, shared_moto
from tests.doubles.mqtt_bench import publish
from tests.doubles.pubsub_server import SUBSCRIPTION, PubsubServer
from tests.doubles.pushing import attached_verdict, skopeo_push, write_layout
from tests.doubles.scripted_server import ScriptedServer, scripted_server
from watcher.dialects.catalog import DIALECTS
from watcher.kit.clock import utc_now
from watcher.testing.images import BuiltImage, build_image, build_layer
from watcher.testing.ports import free_port
from watcher.testing.senders import payloads
from watcher.testing.senders.announcement import Announcement
from watcher.testing.senders.catalog import senders
from watcher.testing.senders.sender import Sender
from watcher.testing.senders.sns_topic import CERTIFICATE_NAME, SigningTopic
from watcher.testing.senders.token_issuer import TokenIssuer

pytestmark = pytest.mark.timeout(180)

# Those that always speak of the host that they have in the clouds, whatever a test would like.
ALIASES = {
    "dockerhub": "docker.io",
    "ecr": f"{payloads.ACCOUNT}.dkr.ecr.{payloads.REGION}.amazonaws.com",
    "alibaba": "registry.cn-hangzhou.aliyuncs.com",
}


@dataclass(kw_only=True)
class World:
    """A registry, a daemon with a source for each sender, and `outside`: where every address in a payload leads."""

    registry: RunningRegistry
    daemon: RunningDaemon
    outside: ScriptedServer
    senders: Mapping[str, Sender]
    queues: Mapping[str, Callable[[Announcement], Any]]

    def push(self, name: str, directory: Path) -> tuple[BuiltImage, Announcement]:
        """An image of its own for a sender, and what it has to tell."""
        image = build_image([build_layer({"etc/os-release": "ID=debian\n", "name": name})], config={"User": "1000"})
        skopeo_push(write_layout(directory / name, image), f"{self.registry.host}/team/{name}:v1")
        return image, Announcement(
            host=self.outside.host,
            repository=f"team/{name}",
            tag="v1",
            digest=image.digest,
            manifest=image.raw.decode(),
            event_id=f"event-of-{name}",
        )


@asynccontextmanager
async def a_world(registry: RunningRegistry, directory: Path) -> AsyncIterator[World]:
    topic = SigningTopic(utc_now)
    issuer = TokenIssuer("https://watcher.example.com/hooks/gar")
    files = {"/certs": json.dumps(issuer.keys()).encode(), f"/{CERTIFICATE_NAME}": topic.pem}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=files[request.path])

    async with AsyncExitStack() as stack:
        keys, outside = [await stack.enter_async_context(scripted_server(answer)) for _ in range(2)]
        all_senders = senders(issuer, topic, issuer_url=f"{keys.url}/certs", topic_url=keys.url)
        queue, pubsub = shared_moto().queue(), PubsubServer()
        pubsub.start()
        stack.callback(pubsub.kill)
        broker = start_mosquitto(directory / "broker")
        stack.callback(broker.stop)
        sources = [_source(name, sender) for name, sender in all_senders.items()]
        sources += [
            f'{{type: sqs, name: ecr-sqs, dialect: ecr, queue_url: "{queue.url}", region: eu-west-1, wait: 1s, aliases: ["*"]}}',
            f'{{type: pubsub, name: gar-pubsub, dialect: gar, subscription: "{SUBSCRIPTION}", endpoint: "{pubsub.endpoint}"}}',
            f"{{type: mqtt, name: diun-mqtt, dialect: diun, host: 127.0.0.1, port: {broker.port}, topic: diun}}",
        ]
        listed = "".join(f"  - {source}\n" for source in sources)
        daemon = RunningDaemon(
            directory=directory,
            config=f'registries: [{{host: "{registry.host}"}}]\nsources:\n{listed}publish: [{{type: referrer}}]\n',
            port=free_port(),
            environment=isolate_identity(directory),
        )
        stack.callback(daemon.stop)
        await asyncio.to_thread(daemon.start)
        yield World(
            registry=registry,
            daemon=daemon,
            outside=outside,
            senders=all_senders,
            queues={
                "ecr-sqs": lambda image: asyncio.to_thread(queue.send, payloads.ecr(image).body),
                "gar-pubsub": lambda image: asyncio.to_thread(pubsub.publish, payloads.gar(image).body),
                "diun-mqtt": lambda image: publish(broker.port, payloads.diun(image).body, topic="diun"),
            },
        )
        assert await asyncio.to_thread(daemon.stop) == 0


def _source(name: str, sender: Sender) -> str:
    alias = f', aliases: ["{ALIASES[sender.dialect]}"]' if sender.dialect in ALIASES else ""
    mapping = ', mapping: {image: "$.image"}' if sender.dialect == "generic" else ""
    return f"{{type: webhook, name: {name}, dialect: {sender.dialect}, auth: {sender.auth}{alias}{mapping}}}"


async def test_a_push_that_any_sender_tells_of_is_judged(
    start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path
) -> None:
    """Once each, by the registry that the source is bound to: of the addresses in the payloads none is ever asked."""
    async with a_world(start_docker_registry(tmp_path / "registry"), tmp_path) as world, aiohttp.ClientSession() as session:
        names = [*world.senders, *world.queues]
        pushed = {name: await asyncio.to_thread(world.push, name, tmp_path) for name in names}
        await asyncio.to_thread(
            world.daemon.eventually,
            lambda: all(each["connected"] for each in world.daemon.get("/api/v1/sources")["sources"]),
            what="every source hears",
        )
        for name, sender in world.senders.items():
            url = f"{world.daemon.url}/hooks/{name}"
            assert await sender.tell(session, url, pushed[name][1], HOOK_SECRET), (name, sender.statuses)
        for name, send in world.queues.items():
            await send(pushed[name][1])
        for name, (image, _) in pushed.items():
            *_, verdict = await asyncio.to_thread(
                world.daemon.eventually,
                lambda name=name, image=image: attached_verdict(world.registry.url, f"team/{name}", image.digest),
                what=f"the verdict of {name}",
            )
            assert (verdict["event"]["source"], verdict["outcome"]) == (name, "pass")
        assert world.outside.asked == []
    assert {sender.dialect for sender in world.senders.values()} == set(DIALECTS)
