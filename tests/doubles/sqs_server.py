"""Amazon SQS on loopback, for Amazon's own SDK: one standard queue that gives out at least once, in any order it likes.

Its API is the JSON protocol's: SendMessage and SendMessageBatch, ReceiveMessage, DeleteMessageBatch, ChangeMessageVisibilityBatch
and GetQueueAttributes. It has no dead letters, no groups and no delays, and checks of a signature only its time.
What was sent outlives `kill`, as at Amazon, and so does what is hidden.

    python -m tests.doubles.sqs_server [--duplicates 0.1] [--seed 1]

serves as a process of its own: it prints the queue's URL, and ends when its standard input does.

Spec: Amazon SQS API Reference, 2012-11-05.
"""

import argparse
import asyncio
import heapq
import itertools
import json
import random
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aiohttp import web

PATH = "/123456789012/news"
# Of a message, and of all in one call.
LARGEST_BYTES = 1024 * 1024
BATCH = 10
# A signature is believed for so long, before and after its time.
SIGNATURE_MINUTES = 5
# Among so many that could come next any may come next, where the order is left to chance.
WINDOW = 1000
SECONDS = 30.0
_PREFIX = "AmazonSQS."
_DATE = "%Y%m%dT%H%M%SZ"

T = TypeVar("T")
Answer = dict[str, Any]
Hook = Callable[[str, Answer], bool]
"""`hook(operation, request)`, on the server's thread before anything is done: false cuts the connection, and nothing is done."""


class Refusal(Exception):  # noqa: N818  an answer, not a fault of ours
    """What the service answers instead of doing what it was asked."""

    def __init__(self, code: str, message: str = "", *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass(slots=True, kw_only=True, eq=False)
class Copy:
    """One copy of a message. `handle` is that of its latest receipt, and `hidden_until` says how long it is somebody's."""

    id: str
    body: str
    attributes: Mapping[str, Any]
    sent_at: float
    receipts: int = 0
    handle: str = ""
    hidden_until: float = 0.0


@dataclass(kw_only=True)
class SqsQueue:
    """What waits, what is hidden, and what was deleted. `duplicates` is the share of receipts after which a copy is left.

    With `choice` the order is left to chance.
    """

    duplicates: float = 0.0
    choice: random.Random | None = None
    waiting: deque[Copy] = field(default_factory=deque)
    hidden: dict[str, Copy] = field(default_factory=dict)  # by handle
    deleted: list[str] = field(default_factory=list)  # by message id, once for each copy
    received: Counter[str] = field(default_factory=Counter)  # by message id
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: list[tuple[float, str]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, body: str, attributes: Mapping[str, Any], *, sent_at: float) -> str:
        message_id = str(uuid.uuid4())
        self.waiting.append(Copy(id=message_id, body=body, attributes=attributes, sent_at=sent_at))
        self.arrived.set()
        return message_id

    def take(self, most: int, hidden_seconds: float) -> list[Copy]:
        self.expire()
        taken: list[Copy] = []
        while self.waiting and len(taken) < most:
            if self.choice is not None:
                self.waiting.rotate(-self.choice.randrange(min(len(self.waiting), WINDOW)))
            copy = self.waiting.popleft()
            copy.receipts += 1
            copy.handle = f"receipt-{next(self._numbers)}"
            self.received[copy.id] += 1
            self._hide(copy, hidden_seconds)
            taken.append(copy)
            if self.choice is not None and self.choice.random() < self.duplicates:
                self.waiting.append(Copy(id=copy.id, body=copy.body, attributes=copy.attributes, sent_at=copy.sent_at))
        return taken

    def delete(self, handle: str) -> None:
        """A handle that is not the latest deletes nothing, and nobody is told."""
        if not handle.startswith("receipt-"):
            raise Refusal("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
        self.expire()
        if (copy := self.hidden.pop(handle, None)) is not None:
            self.deleted.append(copy.id)

    def change(self, handle: str, hidden_seconds: float) -> None:
        self.expire()
        if (copy := self.hidden.get(handle)) is None:
            raise Refusal("InvalidParameterValue", "Message does not exist or is not available for visibility timeout change.")
        self._hide(copy, hidden_seconds)

    def show(self) -> None:
        """Whatever is hidden, now."""
        for handle in list(self.hidden):
            self.change(handle, 0)

    def expire(self) -> float | None:
        """Show what is hidden no longer; returns when the next one is."""
        now = time.monotonic()
        while self._ends:
            ends, handle = self._ends[0]
            copy = self.hidden.get(handle)
            if copy is not None and copy.hidden_until == ends:
                if ends > now:
                    return ends
                self.waiting.append(self.hidden.pop(handle))
                self.arrived.set()
            heapq.heappop(self._ends)
        return None

    def _hide(self, copy: Copy, seconds: float) -> None:
        copy.hidden_until = time.monotonic() + seconds
        self.hidden[copy.handle] = copy
        heapq.heappush(self._ends, (copy.hidden_until, copy.handle))
        self.expire()


class SqsServer:
    """One queue at 127.0.0.1:`port`, served by a thread of its own; its methods block.

    `refusals` (by operation), `hook`, `skew_seconds`, by which its clock is ahead of ours, and `expired_keys`, the ids of keys that
    it believes no longer, may be changed at any time.
    """

    def __init__(self, *, duplicates: float = 0.0, seed: int | None = None) -> None:
        self.port = 0
        self.queue = SqsQueue(duplicates=duplicates, choice=None if seed is None else random.Random(seed))
        self.refusals: dict[str, Refusal] = {}
        self.hook: Hook = lambda _operation, _asked: True
        self.skew_seconds = 0.0
        self.expired_keys: set[str] = set()
        self.calls: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="sqs", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.endpoint + PATH

    def start(self) -> None:
        """Again at the same port, after `kill`."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(SECONDS)

    def kill(self) -> None:
        """Every connection breaks, and nothing is done any more."""
        asyncio.run_coroutine_threadsafe(self._kill(), self._loop).result(SECONDS)

    def close(self) -> None:
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def send(self, *bodies: bytes) -> list[str]:
        """Without a request; returns the message ids."""
        return self.ask(lambda queue: [queue.put(body.decode(), {}, sent_at=self._now()) for body in bodies])

    def counts(self) -> tuple[int, int]:
        """Copies that can be received now, and those that somebody has."""
        return self.ask(_counts)

    def ask(self, question: Callable[[SqsQueue], T]) -> T:
        """What `question` says of the queue, while nothing else happens to it."""

        async def run() -> T:
            return question(self.queue)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(SECONDS)

    async def _start(self) -> None:
        app = web.Application(client_max_size=2 * LARGEST_BYTES)
        app.router.add_post("/{path:.*}", self._call)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def _kill(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            assert runner.server is not None
            for connection in list(runner.server.connections):
                _cut(connection.transport)
            await runner.cleanup()

    def _now(self) -> float:
        return time.time() + self.skew_seconds

    async def _call(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers.get("X-Amz-Target", "").removeprefix(_PREFIX)
        asked = json.loads(await request.read())
        self.calls[operation] += 1
        if not self.hook(operation, asked):
            _cut(request.transport)
            return web.Response()
        try:
            if operation in self.refusals:
                raise self.refusals[operation]
            if request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0] in self.expired_keys:
                raise Refusal("ExpiredToken", "The security token included in the request is expired.", status=403)
            self._check_time(request.headers.get("X-Amz-Date"))
            if not asked.get("QueueUrl", "").endswith(PATH):
                raise Refusal("QueueDoesNotExist", "The specified queue does not exist.")
            return _answer(await self._do(operation, asked, request))
        except Refusal as refusal:
            return _answer({"__type": f"com.amazonaws.sqs#{refusal.code}", "message": refusal.message}, status=refusal.status)

    async def _do(self, operation: str, asked: Answer, request: web.Request) -> Answer:
        match operation:
            case "ReceiveMessage":
                return {"Messages": [_shown(copy) for copy in await self._receive(asked, request)]}
            case "DeleteMessageBatch":
                return _each(asked, lambda entry: self.queue.delete(entry["ReceiptHandle"]))
            case "ChangeMessageVisibilityBatch":
                return _each(asked, lambda entry: self.queue.change(entry["ReceiptHandle"], entry["VisibilityTimeout"]))
            case "SendMessage":
                return self._put(asked)
            case "SendMessageBatch":
                if sum(len(entry["MessageBody"].encode()) for entry in asked["Entries"]) > LARGEST_BYTES:
                    raise Refusal("BatchRequestTooLong", f"Batch requests cannot be longer than {LARGEST_BYTES} bytes.")
                return _each(asked, self._put)
            case "GetQueueAttributes":
                visible, hidden = _counts(self.queue)
                names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
                return {"Attributes": dict(zip(names, (str(visible), str(hidden)), strict=True))}
        raise Refusal("InvalidAction", f"There is no {operation} here.")

    async def _receive(self, asked: Answer, request: web.Request) -> Sequence[Copy]:
        """Waits for the first one as long as it is asked to. Nothing is given to somebody who has hung up."""
        deadline = time.monotonic() + asked.get("WaitTimeSeconds", 0)
        while request.transport is not None and not request.transport.is_closing():
            self.queue.arrived.clear()
            if taken := self.queue.take(asked.get("MaxNumberOfMessages", 1), asked.get("VisibilityTimeout", 30)):
                return taken
            if (now := time.monotonic()) >= deadline:
                break
            try:
                async with asyncio.timeout(min(deadline, self.queue.expire() or deadline) - now):
                    await self.queue.arrived.wait()
            except TimeoutError:
                pass
        return ()

    def _put(self, entry: Answer) -> Answer:
        if len(entry["MessageBody"].encode()) > LARGEST_BYTES:
            raise Refusal("InvalidParameterValue", f"One or more parameters are invalid: more than {LARGEST_BYTES} bytes.")
        return {"MessageId": self.queue.put(entry["MessageBody"], entry.get("MessageAttributes", {}), sent_at=self._now())}

    def _check_time(self, date: str | None) -> None:
        """As Amazon says it of a request that was signed too early or too late by its clock."""
        if date is None:
            return
        signed, now = datetime.strptime(date, _DATE).replace(tzinfo=UTC), datetime.fromtimestamp(self._now(), UTC)
        allowed, tolerance = timedelta(minutes=SIGNATURE_MINUTES), f"{SIGNATURE_MINUTES} min."
        if signed < now - allowed:
            text = f"Signature expired: {date} is now earlier than {now - allowed:{_DATE}} ({now:{_DATE}} - {tolerance})"
        elif signed > now + allowed:
            text = f"Signature not yet current: {date} is still later than {now + allowed:{_DATE}} ({now:{_DATE}} + {tolerance})"
        else:
            return
        raise Refusal("InvalidSignatureException", text)


def _counts(queue: SqsQueue) -> tuple[int, int]:
    queue.expire()
    return len(queue.waiting), len(queue.hidden)


def _shown(copy: Copy) -> Answer:
    system = {"SentTimestamp": str(round(copy.sent_at * 1000)), "ApproximateReceiveCount": str(copy.receipts)}
    shown = {"MessageId": copy.id, "ReceiptHandle": copy.handle, "Body": copy.body, "Attributes": system}
    return {**shown, "MessageAttributes": copy.attributes} if copy.attributes else shown


def _each(asked: Answer, do: Callable[[Answer], Answer | None]) -> Answer:
    """Entries of a batch succeed and fail one by one."""
    entries = asked["Entries"]
    if not 0 < len(entries) <= BATCH:
        raise Refusal("TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {BATCH}.")
    done, failed = list[Answer](), list[Answer]()
    for entry in entries:
        try:
            done.append({"Id": entry["Id"], **(do(entry) or {})})
        except Refusal as refusal:
            failed.append({"Id": entry["Id"], "Code": refusal.code, "Message": refusal.message, "SenderFault": True})
    return {"Successful": done, "Failed": failed} if failed else {"Successful": done}


def _answer(content: Answer, *, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(content).encode(), status=status, content_type="application/x-amz-json-1.0")


def _cut(transport: Any) -> None:
    if transport is not None:
        transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duplicates", type=float, default=0.0)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    server = SqsServer(duplicates=arguments.duplicates, seed=arguments.seed)
    server.start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main()
