"""News from a queue of Amazon SQS: any dialect's events as the bodies of messages.

A message is deleted once it is on disk. One that could not be put there comes again, until its queue's redrive policy makes a
dead letter of it; what becomes of that is not ours.

Permissions: sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility; kms:Decrypt on the key of an encrypted queue.
"""

import asyncio
from collections.abc import Mapping

import structlog

from watcher.dialects.protocol import Delivery
from watcher.kit.backoff import Backoff
from watcher.kit.clock import Clock, utc_now
from watcher.kit.units import seconds
from watcher.model.errors import RetryableError
from watcher.model.moments import iso
from watcher.sources.protocol import Health, Intake
from watcher.sources.sqs_queue import Queue
from watcher.sources.sqs_queue_client import BATCH, Address, Message
from watcher.sources.sqs_queue_client_errors import QueueError
from watcher.sources.sqs_settings import SqsSourceSettings

log = structlog.get_logger(__name__)

# Between two polls that failed.
BACKOFF = Backoff(first_seconds=0.5, longest_seconds=60.0)
# Between two attempts to store something, while nothing can be: every attempt brings a message nearer to the dead letters.
STORE_BACKOFF = Backoff(first_seconds=0.5, longest_seconds=10.0)
# Between two polls without a message: not everything that speaks SQS waits as it is asked to.
LEAST_POLL_SECONDS = 0.2
UNAVAILABLE = "events cannot be taken in now"


class SqsSource:
    """One queue."""

    def __init__(self, settings: SqsSourceSettings, *, clock: Clock = utc_now) -> None:
        self.name = settings.name or settings.dialect
        self.health = Health(problem="not started")
        self._settings = settings
        self._clock = clock
        self._receiving = self._storing = self._settling = ""  # what is wrong with each; empty: nothing
        self._refusals = 0  # rounds in a row in which nothing could be stored

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled; stops within a second, even in the middle of a poll."""
        self._receiving, self._storing, self._settling = "connecting", "", ""
        self._refusals = 0
        self.health.problem = self._receiving
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
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(queue.keep(), name=f"sqs-keep:{self.name}")
                for number in range(settings.receivers):
                    group.create_task(queue.settle(), name=f"sqs-settle:{self.name}-{number}")
                    group.create_task(self._receive(queue, intake, group), name=f"sqs-receive:{self.name}-{number}")
        finally:
            self.health.connected, self.health.problem = False, "stopped"
            await queue.give_back()

    async def _receive(self, queue: Queue, intake: Intake, group: asyncio.TaskGroup) -> None:
        """Poll until cancelled. While nothing can be stored, one message at a time finds out whether it can be again."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            is_trial = self._refusals > 0
            if is_trial:
                await asyncio.sleep(STORE_BACKOFF.after(self._refusals))
            started = loop.time()
            try:
                # A poll that waits says nothing until there is a message: the first after a failure does not.
                messages = await queue.receive(most=1 if is_trial else BATCH, waits=not self._receiving)
            except QueueError as error:
                self._note_receiving(error)
                failures += 1
                await asyncio.sleep(BACKOFF.after(failures))
                continue
            failures = 0
            self._note_receiving(None)
            if not messages:
                await asyncio.sleep(max(0.0, LEAST_POLL_SECONDS - (loop.time() - started)))
            for message in messages:
                if not is_trial:
                    group.create_task(self._store(message, queue, intake), name=f"sqs-store:{self.name}")
                    continue
                await self._store(message, queue, intake)
                if self._refusals:
                    self._refusals += 1

    async def _store(self, message: Message, queue: Queue, intake: Intake) -> None:
        try:
            await intake(self.name, self._delivery(message))
        except RetryableError as error:
            queue.refused(message)
            self._refusals = max(1, self._refusals)  # those of one batch are one
            self._note_storing(error)
            return
        queue.stored(message)
        self._refusals = 0
        self._note_storing(None)
        now = self._clock()
        self.health.last_event_at = now
        self.health.lag_seconds = None if message.sent_at is None else max(0.0, (now - message.sent_at).total_seconds())

    def _delivery(self, message: Message) -> Delivery:
        return self._settings.delivery(headers_of(message), message.body)

    def _note_receiving(self, error: QueueError | None) -> None:
        before, self._receiving = self._receiving, "" if error is None else str(error)
        if error is None and before:
            log.info("source.connected", source=self.name, queue_url=self._settings.queue_url)
        elif error is not None and before != self._receiving:
            self._say("source.disconnected", error)
        self._tell()

    def _note_storing(self, error: RetryableError | None) -> None:
        before, self._storing = self._storing, "" if error is None else f"{UNAVAILABLE}: {error}"
        if error is not None and before != self._storing:
            log.warning("delivery.postponed", source=self.name, reason=error.reason, detail=str(error))
        self._tell()

    def _note_settling(self, error: QueueError | None) -> None:
        """Messages arrive all the same, and then again and again."""
        before, self._settling = self._settling, "" if error is None else str(error)
        if error is not None and before != self._settling:
            self._say("queue.unsettled", error)
        self._tell()

    def _say(self, event: str, error: QueueError) -> None:
        say = log.error if error.for_a_person else log.warning
        say(event, source=self.name, reason=error.reason, detail=str(error))

    def _tell(self) -> None:
        self.health.connected = not (self._receiving or self._storing)
        self.health.problem = self._receiving or self._storing or self._settling


def headers_of(message: Message) -> Mapping[str, str]:
    """An attribute that the sender gave is a header of its name. What the queue says stands above it."""
    headers = {name.lower(): value for name, value in message.attributes.items()}
    headers["x-amz-sqs-message-id"] = message.id
    headers["x-amz-sqs-receive-count"] = str(message.receipts)
    if message.sent_at is not None:
        headers["x-amz-sqs-sent-at"] = iso(message.sent_at)
    return headers
