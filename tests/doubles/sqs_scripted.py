"""A queue of SQS whose answers a test writes: failures, of whole calls and of single messages, and silence."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.scripted_server import scripted_server
from watcher.sources.patience import HELD_SECONDS
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings

SENT = "1767225600500"  # 2026-01-01T00:00:00.5Z


def message(number: int, **changes: Any) -> dict[str, Any]:
    attributes = {"SentTimestamp": SENT, "ApproximateReceiveCount": "1"}
    return {"MessageId": f"id-{number}", "ReceiptHandle": f"receipt-{number}", "Body": "{}", "Attributes": attributes, **changes}


@dataclass
class ScriptedQueue:
    """A queue whose messages are given out once each. `calls` are (operation, request); `answers` go before its own."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, Callable[[dict[str, Any]], Awaitable[web.Response]]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        operation, asked = request.headers["X-Amz-Target"].partition(".")[2], await request.json()
        self.calls.append((operation, asked))
        if operation in self.answers:
            return await self.answers[operation](asked)
        if operation != "ReceiveMessage":
            return web.json_response({"Successful": [{"Id": each["Id"]} for each in asked["Entries"]], "Failed": []})
        if not self.messages and asked["WaitTimeSeconds"]:
            await asyncio.sleep(0.05)
        given, self.messages = self.messages[: asked["MaxNumberOfMessages"]], self.messages[asked["MaxNumberOfMessages"] :]
        return web.json_response({"Messages": given})

    async def silence(self, asked: dict[str, Any]) -> web.Response:
        """No answer while the test goes on."""
        await self.over.wait()
        return web.json_response({})

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [asked for called, asked in self.calls if called == operation]


def refusing(code: str, text: str = "no", status: int = 400) -> Callable[[dict[str, Any]], Awaitable[web.Response]]:
    async def answer(asked: dict[str, Any]) -> web.Response:
        return web.json_response({"__type": f"com.amazonaws.sqs#{code}", "message": text}, status=status)

    return answer


@asynccontextmanager
async def scripted_queue() -> AsyncIterator[ScriptedQueue]:
    """Until the block ends."""
    queue = ScriptedQueue()
    async with scripted_server(queue.answer) as server:
        queue.url = f"{server.url}/123456789012/queue"
        yield queue
        queue.over.set()


def source_of(url: str, *, held_seconds: float = HELD_SECONDS, **given: Any) -> SqsSource:
    usual: dict[str, Any] = {"name": "main", "registry": "registry.example.com", "region": "eu-west-1", "receivers": 1}
    return SqsSource(SqsSourceSettings(queue_url=url, **{**usual, **given}), held_seconds=held_seconds)
