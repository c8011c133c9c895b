"""Brokers that refuse, that cannot be trusted or that are not there: told in the health, and tried again."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import aiomqtt
import pytest
from structlog.testing import capture_logs

from tests.doubles.intakes import open_intake
from tests.doubles.mosquitto import issue_certificates, may_subscribe, start_mosquitto
from tests.doubles.mqtt_bench import publish, source_at, until
from watcher.sources.mqtt import MqttSource
from watcher.sources.protocol import Intake

PASSWORD = "s3cret-of-the-test"
Version = Literal[5, "3.1.1"]


@asynccontextmanager
async def running(source: MqttSource, intake: Intake) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run(intake), name="source")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.parametrize("version", [5, "3.1.1"])
async def test_a_wrong_password_is_told_until_it_is_changed(tmp_path: Path, version: Version) -> None:
    """The file is read again for every connection; its content is in no message."""
    broker = start_mosquitto(tmp_path / "broker", password=("watcher", PASSWORD))
    try:
        file = tmp_path / "password"
        file.write_text("wrong-one")
        source = source_at(broker.port, version=version, username="watcher", password=f"file:{file}")
        with capture_logs() as logs:
            async with running(source, open_intake()):
                await until(lambda: "refuses us" in source.health.problem)
                assert not source.health.connected
                assert "uthori" in source.health.problem  # "Not authorized", which is what mosquitto answers
                file.write_text(PASSWORD)
                await until(lambda: source.health.connected)
        assert "wrong-one" not in str(logs)
        assert PASSWORD not in str(logs)
    finally:
        broker.stop()


async def test_a_certificate_that_expired_is_named_until_it_is_renewed(tmp_path: Path) -> None:
    """Then what was published meanwhile comes; nothing has to be restarted here."""
    valid = issue_certificates(tmp_path / "certificates")
    broker = start_mosquitto(tmp_path / "broker", certificates=valid)
    try:
        intake = open_intake()
        source = source_at(broker.port, ca_file=str(valid.ca))
        async with running(source, intake):
            await until(lambda: source.health.connected)
            issue_certificates(tmp_path / "certificates", broker_days=-1)
            broker.stop()
            broker.start()
            await until(lambda: "expired" in source.health.problem)
            assert source.health.problem == f"127.0.0.1:{broker.port} has a certificate that has expired"
            assert not source.health.connected
            renewed = issue_certificates(tmp_path / "certificates")
            broker.stop()
            broker.start()
            await _publish_by_tls(broker.port, renewed.ca, b"meanwhile")
            await until(lambda: intake.taken)
    finally:
        broker.stop()


async def test_a_broker_may_ask_for_our_certificate(tmp_path: Path) -> None:
    """A large message fits through TLS; a certificate of ours that expired is told as the broker tells it."""
    certificates = issue_certificates(tmp_path / "certificates")
    broker = start_mosquitto(tmp_path / "broker", certificates=certificates, asks_for_certificate=True)
    try:
        files = {
            "ca_file": str(certificates.ca),
            "client_cert": str(certificates.client),
            "client_key": str(certificates.client_key),
        }
        intake = open_intake()
        source = source_at(broker.port, receive_maximum=2, **files)
        async with running(source, intake):
            await until(lambda: source.health.connected)
            payloads = [bytes([number]) * 300_000 for number in range(20)]
            await _publish_by_tls(
                broker.port, certificates.ca, *payloads, certificate=(certificates.client, certificates.client_key)
            )
            await until(lambda: len(intake.taken) == 20)
            assert [delivery.body for _, delivery in intake.taken] == payloads
        without = source_at(broker.port, timeout="500ms", ca_file=str(certificates.ca))
        async with running(without, open_intake()):
            await until(lambda: "certificate required" in without.health.problem.lower().replace("_", " "))
    finally:
        broker.stop()


async def test_a_broker_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    """The message says which setting names the authority."""
    certificates = issue_certificates(tmp_path / "certificates")
    broker = start_mosquitto(tmp_path / "broker", certificates=certificates)
    try:
        source = source_at(broker.port, tls=True)
        with capture_logs() as logs:
            async with running(source, open_intake()):
                await until(lambda: "`ca_file`" in source.health.problem)
        assert [(each["event"], each["log_level"]) for each in logs] == [("source.disconnected", "error")]
    finally:
        broker.stop()


async def test_a_port_that_speaks_no_tls_is_told(tmp_path: Path) -> None:
    """The message says how to do without."""
    broker = start_mosquitto(tmp_path / "broker")
    try:
        source = source_at(broker.port, tls=True)
        async with running(source, open_intake()):
            await until(lambda: "`tls: false`" in source.health.problem)
    finally:
        broker.stop()


async def test_a_broker_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    """It may be started after us; a problem that stays is logged once."""
    broker = start_mosquitto(tmp_path / "broker")
    broker.stop()
    source = source_at(broker.port)
    try:
        with capture_logs() as logs:
            async with running(source, open_intake()):
                await until(lambda: source._reconnecting.failures >= 2)
                assert source.health.problem == f"127.0.0.1:{broker.port} cannot be reached: Connection refused"
                broker.start()
                await until(lambda: source.health.connected)
        assert [each["event"] for each in logs] == ["source.disconnected", "source.connected"]
    finally:
        broker.stop()


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    """Within the timeout, and a source that is stopped meanwhile stops at once and leaves no connection behind."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = source_at(silent.getsockname()[1], timeout="200ms")
        async with running(source, open_intake()):
            await until(lambda: "did not answer within 0.2 s" in source.health.problem)
        first, _ = silent.accept()
        with first:
            first.settimeout(5)
            while first.recv(4096):  # CONNECT, and then the end
                pass
        slow = source_at(silent.getsockname()[1])
        started = time.monotonic()
        async with running(slow, open_intake()):
            await asyncio.sleep(0.05)
        assert time.monotonic() - started < 10
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


@pytest.mark.parametrize(
    ("version", "answer", "level"),
    [
        (5, b"\x20\x03\x00\x89\x00", "warning"),  # server busy
        (5, b"\x20\x03\x00\x87\x00", "error"),  # not authorized
        ("3.1.1", b"\x20\x02\x00\x03", "warning"),  # server unavailable
        ("3.1.1", b"\x20\x02\x00\x04", "error"),  # bad user name or password
    ],
)
async def test_a_broker_that_has_too_much_to_do_wakes_nobody(version: Version, answer: bytes, level: str) -> None:
    """It is a warning, and so are others that pass; what a person must change is an error. Each is told once."""

    async def connack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(answer)
        await reader.read()  # until it hangs up
        writer.close()
        hung_up.append(True)

    hung_up: list[bool] = []
    async with await asyncio.start_server(connack, "127.0.0.1", 0) as server:
        source = source_at(server.sockets[0].getsockname()[1], version=version)
        with capture_logs() as logs:
            async with running(source, open_intake()):
                await until(lambda: len(hung_up) == 2)
            assert "refuses us" in logs[0]["detail"]
    assert [each["log_level"] for each in logs if each["event"] == "source.disconnected"] == [level]


async def test_a_refused_topic_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    """News of that topic would not arrive, so the source is not connected until it is granted."""
    broker = start_mosquitto(
        tmp_path / "broker", settings=may_subscribe(tmp_path / "security.json", "allowed/#", password=PASSWORD)
    )
    try:
        (tmp_path / "password").write_text(PASSWORD)
        credentials = {"username": "watcher", "password": f"file:{tmp_path / 'password'}"}
        source = source_at(broker.port, topic=("allowed/#", "forbidden/#"), **credentials)
        intake = open_intake()
        async with running(source, intake):
            await until(lambda: "forbidden/#" in source.health.problem)
            assert source.health.problem.startswith("the broker refuses forbidden/#: ")
            assert "allowed/#" not in source.health.problem
            assert not source.health.connected
            await publish(broker.port, b"news", topic="allowed/x", username="watcher", password=PASSWORD)
            await until(lambda: intake.taken)
    finally:
        broker.stop()


async def _publish_by_tls(port: int, ca: Path, *payloads: bytes, certificate: tuple[Path, Path] | None = None) -> None:
    files = [None, None] if certificate is None else [str(path) for path in certificate]
    parameters = aiomqtt.TLSParameters(ca_certs=str(ca), certfile=files[0], keyfile=files[1])
    await publish(port, *payloads, tls_params=parameters)
