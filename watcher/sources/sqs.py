"""News from a queue of Amazon SQS: any dialect's events as the bodies of messages.

A message is deleted once it is on disk. One that cannot be put there is kept for some minutes, while few others are received; then
it comes again, until its queue's redrive policy makes a dead letter of it. What becomes of that is not ours.

Permissions: sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility; kms:Decrypt on the key of an encrypted queue.
"""

import asyncio
import math
from collections.abc import Mapping

from watcher.dialects.protocol import Delivery
from watcher.kit.clock import Clock, utc_now
from watcher.kit.units import seconds
from watcher.model.errors import RetryableError
from watcher.model.moments import iso
from watcher.sources.condition import Condition
from watcher.sources.patience import HELD_SECONDS, Patience
from watcher.sources.protocol import Intake
from watcher.sources.reconnecting import BACKOFF
from watcher.sources.sqs_queue import Queue
from watcher.sources.sqs_queue_client import BATCH, Address, Message
from watcher.sources.sqs_queue_client_errors import QueueError
from watcher.sources.sqs_settings import SqsSourceSettings

# Between two polls while nothing can be stored: each message that comes is nearer to the dead letters.
TRIAL_SECONDS = 2.0
# Between two polls without a message: not everything that speaks SQS waits as it is asked to.
LEAST_POLL_SECONDS = 0.2


class SqsSource:
    """One queue."""

    def __init__(self, settings: SqsSourceSettings, *, clock: Clock = utc_now, held_seconds: float = HELD_SECONDS) -> None:
        self.name = settings.name or settings.dialect
        self._condition = Condition(self.name, clock)
        self.health = self._condition.health
        self._settings = settings
        self._patience = Patience(self._condition, held_seconds)
        self._failed_at = -math.inf  # when a poll did, by the loop's time

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled; stops within a second, even in the middle of a poll."""
        settings = self._settings
        address = Address(
            url=settings.queue_url,
            region=settings.service_region,
            endpoint_url=settings.service_url,
            receivers=settings.receivers,
            wait_seconds=int(seconds(settings.wait)),
            visibility_seconds=int(seconds(settings.visibility_timeout)),
            timeout_seconds=seconds(settings.timeout),
        )
        queue = Queue(address, name=self.name, in_flight=settings.in_flight, settling=self._note_settling)
        with self._condition.listening():
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(queue.keep(), name=f"sqs-keep:{self.name}")
                    for number in range(settings.receivers):
                        group.create_task(queue.settle(), name=f"sqs-settle:{self.name}-{number}")
                        group.create_task(self._receive(queue, intake, group), name=f"sqs-receive:{self.name}-{number}")
            finally:
                await queue.give_back()

    async def _receive(self, queue: Queue, intake: Intake, group: asyncio.TaskGroup) -> None:
        """Poll until cancelled. While nothing can be stored, one message at a time finds out whether it can be again."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            is_trial = not self._condition.stores
            if is_trial:
                await asyncio.sleep(TRIAL_SECONDS)
            started = loop.time()
            try:
                # A poll that waits says nothing until there is a message: the first after a failure does not.
                messages = await queue.receive(most=1 if is_trial else BATCH, waits=self._condition.hears)
            except QueueError as error:
                self._condition.heard_nothing(error)
                self._failed_at = loop.time()
                failures += 1
                await asyncio.sleep(BACKOFF.after(failures))
                continue
            failures = 0
            if started > self._failed_at:  # a poll that was under way when another failed says nothing of what came after
                self._condition.heard(queue_url=self._settings.queue_url)
            if not messages:
                await asyncio.sleep(max(0.0, LEAST_POLL_SECONDS - (loop.time() - started)))
            for message in messages:
                group.create_task(self._store(message, queue, intake), name=f"sqs-store:{self.name}")

    async def _store(self, message: Message, queue: Queue, intake: Intake) -> None:
        delivery = self._delivery(message)
        try:
            await self._patience.stored(lambda: intake(self.name, delivery))
        except RetryableError:
            queue.refused(message)
            return
        queue.stored(message)
        self._condition.stored(message.sent_at)

    def _delivery(self, message: Message) -> Delivery:
        return self._settings.delivery(headers_of(message), message.body)

    def _note_settling(self, error: QueueError | None) -> None:
        if error is None:
            self._condition.settled()
        else:
            self._condition.unsettled(error)


def headers_of(message: Message) -> Mapping[str, str]:
    """An attribute that the sender gave is a header of its name. What the queue says stands above it."""
    headers = {name.lower(): value for name, value in message.attributes.items()}
    headers["x-amz-sqs-message-id"] = message.id
    headers["x-amz-sqs-receive-count"] = str(message.receipts)
    if message.sent_at is not None:
        headers["x-amz-sqs-sent-at"] = iso(message.sent_at)
    return headers
