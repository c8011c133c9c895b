"""Messages of a Pub/Sub subscription, against Google's client with a callback that acknowledges at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.intake_durable import HOST, event, taken_by
from bench.intake_turns import GIVE_UP_SECONDS, Load, Options, Side, apart, server
from tests.doubles.pubsub_server import SUBSCRIPTION, PubsubServer
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSourceSettings


def measure(side: Side, turn: int, path: Path, options: Options) -> Load:
    with server(serve, turn, options.messages, exactly_once=options.exactly_once) as endpoint:
        if side == "bare":
            seconds = apart(take_bare, endpoint, options.messages)
        else:
            seconds = apart(take_durable, endpoint, options.messages, path)
    return Load(messages=options.messages, seconds=seconds)


def serve(ready: Callable[[str], None], turn: int, messages: int, *, exactly_once: bool) -> None:
    double = PubsubServer()
    double.main.exactly_once = exactly_once
    double.publish(*[event(turn, number) for number in range(messages)])
    double.start()
    ready(double.endpoint)
    threading.Event().wait()


def take_bare(endpoint: str, messages: int) -> float:
    """Seconds from the first message to the last."""
    import grpc
    from google.cloud import pubsub_v1
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    client = pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc.insecure_channel(endpoint)))
    moments: list[float] = []
    done = threading.Event()

    def take(message: pubsub_v1.subscriber.message.Message) -> None:
        message.ack()
        moments.append(time.monotonic())
        if len(moments) == messages:
            done.set()

    flow = pubsub_v1.types.FlowControl(max_messages=settings_at(endpoint).max_messages)
    pulling = client.subscribe(SUBSCRIPTION, callback=take, flow_control=flow)
    if not done.wait(GIVE_UP_SECONDS):
        raise RuntimeError(f"{len(moments)} of {messages} messages came")
    pulling.cancel()
    pulling.result()
    return moments[-1] - moments[0]


def take_durable(endpoint: str, messages: int, path: Path) -> float:
    return asyncio.run(taken_by(PubsubSource(settings_at(endpoint)), messages, path))


def settings_at(endpoint: str) -> PubsubSourceSettings:
    return PubsubSourceSettings(name="main", registry=HOST, subscription=SUBSCRIPTION, endpoint=endpoint)
