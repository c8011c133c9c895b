"""Every source, by the settings that ask for it."""

from collections.abc import Callable, Mapping
from typing import Any

from watcher.sources.binding import SourceSettings
from watcher.sources.context import SourceContext
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSettings
from watcher.sources.protocol import Source
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSettings
from watcher.sources.settings import AnySourceSettings
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSettings
from watcher.sources.sweep import SweepSource
from watcher.sources.sweep_settings import SweepSettings
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import WebhookSettings

SOURCES: Mapping[type[SourceSettings], Callable[[Any, SourceContext], Source]] = {
    MqttSettings: lambda settings, _context: MqttSource(settings),
    PubsubSettings: lambda settings, _context: PubsubSource(settings),
    SqsSettings: lambda settings, _context: SqsSource(settings),
    SweepSettings: lambda settings, context: SweepSource(
        settings, registries=context.registries, judged=context.judged, swept=context.swept
    ),
    WebhookSettings: lambda settings, context: WebhookSource(settings, max_body_bytes=context.max_body_bytes),
}


def build_source(settings: AnySourceSettings, context: SourceContext) -> Source:
    """The source as configured, not listening yet.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    return SOURCES[type(settings)](settings, context)
