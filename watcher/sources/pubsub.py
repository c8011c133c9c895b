"""News by Google Pub/Sub: any dialect's events as the data of messages, read by streaming pull.

A message is acknowledged once it is on disk. One that cannot be put there is kept for some minutes and then given back, as is
everything that is under way when the source ends.

Permissions: roles/pubsub.subscriber on the subscription.
"""

import asyncio
import os
from collections.abc import Mapping

import structlog

from watcher.dialects.protocol import Delivery
from watcher.kit.clock import Clock, utc_now
from watcher.kit.google_address import PUBSUB_EMULATOR
from watcher.kit.regular_files import read_regular
from watcher.kit.units import seconds, size_bytes
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.model.moments import iso
from watcher.sources.condition import Condition
from watcher.sources.patience import HELD_SECONDS, Patience
from watcher.sources.protocol import Intake
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.sources.pubsub_stream import Message, Stream, connect
from watcher.sources.pubsub_stream_client import Address
from watcher.sources.pubsub_stream_client_errors import UnsettledError
from watcher.sources.reconnecting import Reconnecting

log = structlog.get_logger(__name__)

# As the headers of a push subscription without its envelope are called.
HEADER = "x-goog-pubsub-"


class PubsubSource:
    """One subscription.

    Raises:
        ConfigurationError: the file of credentials cannot be read (on construction).
    """

    def __init__(self, settings: PubsubSourceSettings, *, clock: Clock = utc_now, held_seconds: float = HELD_SECONDS) -> None:
        self.name = settings.name or settings.dialect
        self._condition = Condition(self.name, clock)
        self.health = self._condition.health
        self._settings = settings
        self._max_payload_bytes = size_bytes(settings.max_payload)
        self._patience = Patience(self._condition, held_seconds)
        if settings.credentials_file:
            try:
                read_regular(settings.credentials_file)
            except OSError as error:
                raise ConfigurationError(f"credentials_file {settings.credentials_file}: {error.strerror}") from error

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled, on one stream after the other; stops within a second."""
        address = self._address()
        with self._condition.listening():
            await Reconnecting(self._condition).keep(lambda: self._listen(address, intake))

    async def _listen(self, address: Address, intake: Intake) -> None:
        """Take messages in until the stream is gone, and raise why."""
        async with connect(address) as stream, asyncio.TaskGroup() as group:
            group.create_task(self._watch(stream), name=f"pubsub-watch:{self.name}")
            async for message in stream.messages():
                group.create_task(self._take(message, stream, intake), name=f"pubsub-take:{self.name}")

    async def _watch(self, stream: Stream) -> None:
        """Raises SourceError when the stream is gone."""
        await stream.stands()
        self._condition.heard(subscription=self._settings.subscription)
        await stream.falls()

    async def _take(self, message: Message, stream: Stream, intake: Intake) -> None:
        """Store and acknowledge, or give back. Messages are stored at the same time: they then share a commit."""
        delivery = self._delivery(message)
        try:
            await self._patience.stored(lambda: intake(self.name, delivery))
        except RetryableError:
            stream.give_back(message)
            return
        self._condition.stored(message.published_at)
        if failed := await stream.acknowledge(message):
            self._condition.unsettled(UnsettledError(f"{self._settings.subscription}: {failed}"), message_id=message.id)
        else:
            self._condition.settled()

    def _address(self) -> Address:
        """What is configured stands above where the environment wants the service to be, as Google's own tools read it."""
        settings = self._settings
        emulator = "" if settings.endpoint else os.environ.get(PUBSUB_EMULATOR, "")
        if emulator:
            log.warning("emulator.used", source=self.name, endpoint=emulator, detail=f"because {PUBSUB_EMULATOR} is set")
        return Address(
            subscription=settings.subscription,
            endpoint=settings.endpoint or emulator,
            is_plain=settings.is_local or bool(emulator),
            credentials_file=settings.credentials_file,
            max_messages=settings.max_messages,
            timeout_seconds=seconds(settings.timeout),
        )

    def _delivery(self, message: Message) -> Delivery:
        return self._settings.bounded_delivery(headers_of(message), message.data, limit_bytes=self._max_payload_bytes)


def headers_of(message: Message) -> Mapping[str, str]:
    """What Pub/Sub says of a message stands under names that no attribute can take."""
    headers = {f"{HEADER}attribute-{name.lower()}": value for name, value in message.attributes.items()}
    return {**headers, f"{HEADER}message-id": message.id, f"{HEADER}publish-time": iso(message.published_at)}
