"""Messages of a mosquitto, against aiomqtt as it comes: it acknowledges what it receives at once.

They wait in the client's session before it comes. A publisher at the same time would be what is measured: it needs more of a
processor than the broker, and there may be two for all of them.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from bench.intake_durable import HOST, event, taken_by
from bench.intake_turns import GIVE_UP_SECONDS, Load, Options, Side, apart
from tests.doubles.mosquitto import start_mosquitto
from tests.doubles.mqtt_bench import CLIENT, publish_many, renew_session, source_at

# Tests want a line for every packet, and everything written down for every message, which takes the longer the more there are.
SETTINGS = ("log_type none", "autosave_on_changes false", "max_queued_messages 0")


def measure(side: Side, turn: int, path: Path, options: Options) -> Load:
    messages = options.messages
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        broker = start_mosquitto(Path(directory), settings=SETTINGS)
        try:
            asyncio.run(renew_session(broker.port))
            apart(publish_all, broker.port, turn, messages)
            if side == "bare":
                seconds = apart(take_bare, broker.port, messages)
            else:
                seconds = apart(take_durable, broker.port, messages, path)
        finally:
            broker.stop()
    return Load(messages=messages, seconds=seconds)


def publish_all(port: int, turn: int, messages: int) -> None:
    publish_many(port, (event(turn, number) for number in range(messages)))


def take_bare(port: int, messages: int) -> float:
    """Seconds from the first message to the last."""
    return asyncio.run(_take_bare(port, messages))


async def _take_bare(port: int, messages: int) -> float:
    import aiomqtt

    began = taken = 0.0
    async with (
        asyncio.timeout(GIVE_UP_SECONDS),
        aiomqtt.Client("127.0.0.1", port, identifier=CLIENT, protocol=aiomqtt.ProtocolVersion.V5, clean_start=False) as client,
    ):
        async for _ in client.messages:
            began = began or time.monotonic()
            taken += 1
            if taken == messages:
                break
        return time.monotonic() - began


def take_durable(port: int, messages: int, path: Path) -> float:
    return asyncio.run(taken_by(source_at(port, registry=HOST), messages, path))
