"""What `watcher init --type mqtt` prints, done at a real mosquitto: news arrive, and nobody may do more than that."""

import asyncio
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest
from click.testing import CliRunner

from tests.doubles.intakes import open_intake
from tests.doubles.mosquitto import Mosquitto
from tests.doubles.mqtt_bench import until
from watcher import settings
from watcher.cli.init import init
from watcher.dialects.catalog import build_dialect
from watcher.model.push import Pushed
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSourceSettings
from watcher.testing.ports import free_port

# What Debian's /etc/mosquitto/mosquitto.conf says before it includes ours.
DEBIAN = "persistence true\npersistence_location {folder}/\nlog_dest file {folder}/mosquitto.log\ninclude_dir {folder}/conf.d\n"
SENDER = "password-of-the-sender"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """`publish` is the command that sends an event."""

    port: int
    source: MqttSourceSettings
    publish: list[str]


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SetUp]:
    """Every step as it is printed, but in a folder of the test and at a free port."""
    monkeypatch.chdir(tmp_path)
    port = free_port()
    ended = CliRunner().invoke(init, ["--type", "mqtt", "--registry", "localhost:5000"], catch_exceptions=False)
    printed = ended.stdout.replace("/etc/mosquitto", str(tmp_path)).replace("1883", str(port))
    configuration, commands, publish, _ = re.split(r"(?m)(?:^#.*\n)+", printed.partition("\n")[2])[1:5]
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "watcher.conf").write_text(configuration)
    as_root = os.geteuid() == 0
    # Root's mosquitto becomes the user `mosquitto`, who may not write here; anybody else's remains what it is.
    main = DEBIAN.format(folder=tmp_path) + ("user root\n" if as_root else "")
    (tmp_path / "mosquitto.conf").write_text(main)
    commands = commands if as_root else commands.replace("chown mosquitto", "ls")
    typed = f"{SENDER}\n{SENDER}\n"
    subprocess.run(["sh", "-e", "-c", commands], input=typed, text=True, check=True, capture_output=True, timeout=20)
    secret = re.search(r"(?m)^export MQTT_PASSWORD=(\w+)$", printed)
    assert secret is not None
    monkeypatch.setenv("MQTT_PASSWORD", secret[1])
    file = tmp_path / "watcher.yaml"
    file.write_text(file.read_text().replace("1883", str(port)))
    (source,) = settings.load(file).sources
    assert isinstance(source, MqttSourceSettings)
    broker = Mosquitto(port=port, directory=tmp_path)
    broker.start()
    try:
        yield SetUp(port=port, source=source, publish=shlex.split(publish.replace("\\\n", "").replace("PASSWORD", SENDER)))
    finally:
        broker.stop()


async def test_news_arrive_from_the_sender_and_from_nobody_else(done: SetUp) -> None:
    """The command's event is a push; what the watcher's own user publishes reaches nobody, and nobody else comes in."""
    said = dict(zip(done.publish[1::2], done.publish[2::2], strict=True))
    intake, source = open_intake(), MqttSource(done.source)
    running = asyncio.create_task(source.run(intake), name="source")
    try:
        await until(lambda: source.health.connected)
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", done.port):
                pass
        assert done.source.password is not None
        users = [("watcher", os.environ["MQTT_PASSWORD"], b"forged"), (said["-u"], said["-P"], said["-m"].encode())]
        for user, password, payload in users:
            async with aiomqtt.Client("127.0.0.1", int(said["-p"]), username=user, password=password) as client:
                await client.publish(said["-t"], payload, qos=int(said["-q"]))
        await until(lambda: intake.taken)
    finally:
        running.cancel()
        await asyncio.wait([running])
    ((_, delivery),) = intake.taken
    (decision,) = build_dialect("cloudevents", None).read(delivery)
    assert isinstance(decision, Pushed)
    assert (decision.push.registry, decision.push.repository, decision.push.tag) == ("localhost:5000", "team/app", "v1")
