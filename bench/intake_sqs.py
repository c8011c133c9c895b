"""Messages of a queue of SQS, against boto3 that receives ten and deletes them, on the same number of threads."""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.intake_durable import HOST, event, taken_by
from bench.intake_turns import Load, Options, Side, apart, server
from tests.doubles.moto import REGION, isolate_identity
from tests.doubles.sqs_server import PATH, SqsServer
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings


def measure(side: Side, turn: int, path: Path, options: Options) -> Load:
    with server(serve, turn, options.messages) as url:
        if side == "bare":
            seconds = apart(take_bare, url, options.receivers)
        else:
            seconds = apart(take_durable, url, options.receivers, options.messages, path)
    return Load(messages=options.messages, seconds=seconds)


def serve(ready: Callable[[str], None], turn: int, messages: int) -> None:
    double = SqsServer()
    double.send(*[event(turn, number) for number in range(messages)])
    double.start()
    ready(double.url)
    threading.Event().wait()


def take_bare(url: str, receivers: int) -> float:
    """Seconds from the first messages until the queue is empty."""
    import boto3

    endpoint = url.removesuffix(PATH)
    began: list[float] = []

    def drain(client: Any) -> None:
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            began.append(time.monotonic())
            entries = [{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in messages]
            client.delete_message_batch(QueueUrl=url, Entries=entries)

    with tempfile.TemporaryDirectory() as directory:
        os.environ |= isolate_identity(Path(directory))
        clients = [boto3.session.Session(region_name=REGION).client("sqs", endpoint_url=endpoint) for _ in range(receivers)]
        threads = [threading.Thread(target=drain, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return time.monotonic() - min(began)


def take_durable(url: str, receivers: int, messages: int, path: Path) -> float:
    settings = SqsSourceSettings(name="main", queue_url=url, region=REGION, registry=HOST, receivers=receivers)
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= isolate_identity(Path(directory))
        return asyncio.run(taken_by(SqsSource(settings), messages, path))
