"""Keep standing verdicts as retained messages of an MQTT broker, and tell of each verdict once.

A message is a CloudEvent in structured mode, so that who speaks MQTT 3.1.1, or keeps only payloads, has all of it; its attributes
are user properties as well, which the binding allows.

Spec: MQTT 5.0, MQTT 3.1.1; CloudEvents MQTT binding 1.0.2, section 3.2.
"""

import asyncio
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog

from watcher.kit.secret import resolve
from watcher.kit.units import seconds
from watcher.model.publication import GONE
from watcher.model.verdict import Verdict
from watcher.publishing.cloudevent import CONTENT_TYPE, MAX_EVENT_BYTES, message_attributes, verdict_event
from watcher.publishing.context import PublisherContext
from watcher.publishing.mqtt_link import Link
from watcher.publishing.mqtt_link_connection import Broker, Outgoing
from watcher.publishing.mqtt_link_connection_errors import MessageTooLargeError
from watcher.publishing.mqtt_settings import MqttPublisherSettings
from watcher.publishing.mqtt_topics import Topics
from watcher.publishing.protocol import Progress

log = structlog.get_logger(__name__)

# A broker that takes less does not always say how much: then an eighth, and what most verdicts without findings fit in.
SIZES_BYTES = (MAX_EVENT_BYTES, MAX_EVENT_BYTES // 8, 2048)


class MqttPublisher:
    """One broker, and what stands there below one prefix.

    Raises:
        ConfigurationError: the password, or a file of certificates or keys, cannot be read (on construction).
    """

    def __init__(self, settings: MqttPublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._settings = settings
        self._history = context.tags
        self._links = context.links
        self._topics = Topics(prefix=settings.topic_prefix, digests=settings.digests)
        self._link = Link(self._broker, name=self.name)
        self._keeping: asyncio.Task[None] | None = None
        self._size_bytes = MAX_EVENT_BYTES
        # By repository. Whoever reads where tags lead writes that before anybody else reads it.
        self._editing: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._broker()  # what a person must change is said at the start

    async def open(self) -> None:
        """Connect, and stay connected."""
        if self._settings.address.shows_password:
            log.warning("password.unprotected", publisher=self.name, host=self._settings.host, detail="sent without TLS")
        self._keep_connected()
        await self._link.connection()

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        """The state first: what is said again after a failure is then that, which is the same, and not the event.

        Of an image that is gone nothing stands, and nothing is told.
        """
        self._keep_connected()
        await self._link.connection()  # whoever has to wait for it does not hold up others
        subject = verdict.subject
        wanted = verdict.outcome in self._settings.outcomes and progress.noted != GONE
        async with self._editing.setdefault((subject.registry, subject.repository), asyncio.Lock()):
            history = await self._history.tag_history(subject.registry, subject.repository, subject.digest)
            for place in self._topics.places(subject, history, wanted=wanted):
                if place.stands:
                    await self._send(verdict, place.topic, retained=True)
                else:
                    connection = await self._link.connection()
                    await connection.publish(Outgoing(topic=place.topic, payload=b"", retained=True))
        if wanted and self._settings.events:
            await self._send(verdict, self._topics.events, retained=False)

    async def aclose(self) -> None:
        """Say that we are offline."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._link.aclose()

    async def _send(self, verdict: Verdict, topic: str, *, retained: bool) -> None:
        """With as many findings as the broker takes. What was too much once is not tried again while we run.

        Raises:
            MessageTooLargeError: it takes none.
        """
        message = Outgoing(
            topic=topic,
            payload=b"",
            retained=retained,
            content_type=CONTENT_TYPE,
            properties=message_attributes(verdict),
            expiry_seconds=int(seconds(self._settings.expiry)) if retained else 0,
        )
        for size in [each for each in SIZES_BYTES if each <= self._size_bytes]:
            connection = await self._link.connection()
            largest = connection.payload_bytes(message)
            event = verdict_event(verdict, link=self._links.verdict(verdict), limit_bytes=int(min(size, largest)))
            if len(event) > largest:
                break
            try:
                return await connection.publish(replace(message, payload=event))
            except MessageTooLargeError:
                self._size_bytes = min(self._size_bytes, max(size // 8, SIZES_BYTES[-1]))
        raise MessageTooLargeError(f"{self._settings.host} takes no message as large as this verdict without any finding")

    def _keep_connected(self) -> None:
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._link.keep(), name=f"mqtt-keep:{self.name}")

    def _broker(self) -> Broker:
        """Reads files. Raises ConfigurationError when one cannot be read."""
        settings, address = self._settings, self._settings.address
        return Broker(
            host=settings.host,
            port=address.connected_port,
            is_v5=settings.version == 5,
            client_id=settings.client_id or f"watcher-publish-{self.name}",
            username=settings.username,
            password=None if settings.password is None else resolve(settings.password),
            tls=address.tls_context(),
            status_topic=self._topics.status,
            keepalive_seconds=int(seconds(settings.keepalive)),
            timeout_seconds=seconds(settings.timeout),
        )
