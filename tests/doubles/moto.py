"""moto's server: the API of AWS on a free loopback port, as a process of its own."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from watcher.testing.ports import free_port

REGION = "eu-west-1"
ACCOUNT = "123456789012"
START_SECONDS = 30.0
# The SDK takes its identity from here; a test that needs another sets it.
IDENTITY = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass(slots=True, kw_only=True)
class Moto:
    """One process, with everything made in it until it is stopped. Its methods block, as the SDK does."""

    endpoint: str
    process: subprocess.Popen[bytes] = field(repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> Any:
        """An SDK client that may do everything."""
        if service not in self._clients:
            import boto3
            from botocore.config import Config

            session = boto3.session.Session(
                aws_access_key_id="testing", aws_secret_access_key="testing", aws_session_token="", region_name=REGION
            )
            self._clients[service] = session.client(
                service, endpoint_url=self.endpoint, config=Config(retries={"total_max_attempts": 1})
            )
        return self._clients[service]

    def queue(self, *, max_receives: int = 0) -> "MotoQueue":
        """A new queue; with `max_receives` it has another for its dead letters."""
        name = f"queue-{uuid.uuid4().hex}"
        dead_letters = MotoQueue(moto=self, url=self._create(f"{name}-dead", {})) if max_receives else None
        attributes = {}
        if dead_letters is not None:
            redrive = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": max_receives}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        return MotoQueue(moto=self, url=self._create(name, attributes), dead_letters=dead_letters)

    def checks_permissions(self, *, does: bool) -> None:
        """Whether it looks at who asks from now on; it begins without, and then anybody may do anything."""
        number = b"0" if does else b"inf"
        urlopen(
            Request(f"{self.endpoint}/moto-api/reset-auth", data=number, headers={"Content-Type": "text/plain"}), timeout=5
        ).close()

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        self.process.terminate()
        self.process.wait(10)

    def _create(self, name: str, attributes: dict[str, str]) -> str:
        url: str = self.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url


@dataclass(frozen=True, slots=True, kw_only=True)
class MotoQueue:
    """A queue, and the ways in which news gets into it."""

    moto: Moto
    url: str
    dead_letters: "MotoQueue | None" = None

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"

    def send(self, *bodies: bytes, attributes: dict[str, str] | None = None) -> None:
        given = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
        entries = [
            {"Id": str(number), "MessageBody": body.decode(), "MessageAttributes": given} for number, body in enumerate(bodies)
        ]
        for start in range(0, len(entries), 10):
            self.moto.client("sqs").send_message_batch(QueueUrl=self.url, Entries=entries[start : start + 10])

    def topic(self, *, raw: bool) -> str:
        """The ARN of a new SNS topic that this queue is subscribed to; `raw` without SNS's envelope."""
        sns = self.moto.client("sns")
        arn: str = sns.create_topic(Name=self.name)["TopicArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=self.arn, Attributes={"RawMessageDelivery": str(raw).lower()})
        return arn

    def rule(self, pattern: dict[str, Any]) -> None:
        """A rule of EventBridge that puts what fits `pattern` into this queue."""
        events = self.moto.client("events")
        events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=self.name, Targets=[{"Id": self.name, "Arn": self.arn}])

    def counts(self) -> tuple[int, int]:
        """Messages that can be received now, and those that somebody has."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.moto.client("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def receive(self) -> list[dict[str, Any]]:
        """What can be received now, for a second."""
        received: dict[str, Any] = self.moto.client("sqs").receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=1, AttributeNames=["All"]
        )
        found: list[dict[str, Any]] = received.get("Messages", [])
        return found

    def purge(self) -> None:
        self.moto.client("sqs").purge_queue(QueueUrl=self.url)

    def delete(self) -> None:
        self.moto.client("sqs").delete_queue(QueueUrl=self.url)


def start_moto() -> Moto:
    """Returns once it answers; that takes two seconds.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    port = free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Amazon empties a queue once a minute at most.
            env={**os.environ, **IDENTITY, "MOTO_SQS_ENFORCE_STRICT_QUEUE_PURGE_BEHAVIOUR": "false"},
        )
        moto = Moto(endpoint=f"http://127.0.0.1:{port}", process=process)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urlopen(f"{moto.endpoint}/moto-api/data.json", timeout=5).close()
                return moto
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    moto.stop()
                    log.seek(0)
                    raise RuntimeError(f"moto did not start: {log.read()[-2000:]!r}") from None
                time.sleep(0.05)  # there is nothing to wait on but the port itself


@functools.cache
def shared_moto() -> Moto:
    """One for everybody in this process, started when it is first asked for and stopped at the process's end."""
    moto = start_moto()
    atexit.register(moto.stop)
    return moto


def isolate_identity(directory: Path) -> dict[str, str]:
    """An environment for the SDK with keys, and with nothing else of the machine's."""
    files = {"AWS_CONFIG_FILE": str(directory / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(directory / "credentials")}
    return {**IDENTITY, **files}
