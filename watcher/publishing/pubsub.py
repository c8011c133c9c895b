"""Publish verdicts to a topic of Google Pub/Sub, as CloudEvents in structured mode with attributes for filters.

Permissions: roles/pubsub.publisher on the topic. With pubsub.topics.get, which roles/pubsub.viewer has, it is known at the start
whether the topic is there.

Spec: google.pubsub.v1, Publisher; CloudEvents Google Cloud Pub/Sub binding, section 3.2.
"""

import os

import structlog

from watcher.kit.google_address import PUBSUB_EMULATOR
from watcher.kit.regular_files import read_regular
from watcher.kit.units import seconds
from watcher.model.errors import ConfigurationError
from watcher.model.verdict import Verdict
from watcher.publishing.cloud_errors import DestinationDeniedError
from watcher.publishing.cloudevent import CONTENT_TYPE, message_attributes, verdict_event
from watcher.publishing.context import PublisherContext
from watcher.publishing.protocol import Progress
from watcher.publishing.pubsub_client import Address, PubsubClient
from watcher.publishing.pubsub_settings import PubsubPublisherSettings

log = structlog.get_logger(__name__)


class PubsubPublisher:
    """One topic.

    Raises:
        ConfigurationError: the file of credentials cannot be read (on construction).
    """

    def __init__(self, settings: PubsubPublisherSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._links = context.links
        if settings.credentials_file:
            try:
                read_regular(settings.credentials_file)
            except OSError as error:
                raise ConfigurationError(f"credentials_file {settings.credentials_file}: {error.strerror}") from error
        # What is configured stands above where the environment wants the service to be, as Google's own tools read it.
        self._emulator = "" if settings.endpoint else os.environ.get(PUBSUB_EMULATOR, "")
        self._client = PubsubClient(
            Address(
                topic=settings.topic,
                endpoint=settings.endpoint or self._emulator,
                is_plain=settings.is_local or bool(self._emulator),
                credentials_file=settings.credentials_file,
                timeout_seconds=seconds(settings.timeout),
            ),
            name=self.name,
        )

    async def open(self) -> None:
        """Who may publish to a topic need not be allowed to look at it."""
        if self._emulator:
            log.warning("emulator.used", publisher=self.name, endpoint=self._emulator, detail=f"because {PUBSUB_EMULATOR} is set")
        try:
            await self._client.find()
        except DestinationDeniedError:
            return

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        event = verdict_event(verdict, link=self._links.verdict(verdict))
        attributes = {"content-type": CONTENT_TYPE, **message_attributes(verdict)}
        await self._client.publish(event, attributes, ordering_key=verdict.subject.name)

    async def aclose(self) -> None:
        self._client.close()
