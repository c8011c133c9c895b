"""Every source, by the settings that ask for it."""

from collections.abc import Callable, Mapping
from typing import Any

from watcher.sources.binding import SourceSettings
from watcher.sources.context import SourceContext
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSourceSettings
from watcher.sources.protocol import Source
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.sources.settings import AnySourceSettings
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.sources.sweep import SweepSource
from watcher.sources.sweep_settings import SweepSourceSettings
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import WebhookSourceSettings

SOURCES: Mapping[type[SourceSettings], Callable[[Any, SourceContext], Source]] = {
    MqttSourceSettings: lambda settings, _context: MqttSource(settings),
    PubsubSourceSettings: lambda settings, _context: PubsubSource(settings),
    SqsSourceSettings: lambda settings, _context: SqsSource(settings),
    SweepSourceSettings: lambda settings, context: SweepSource(
        settings, registries=context.registries, known=context.known, swept=context.swept
    ),
    WebhookSourceSettings: lambda settings, context: WebhookSource(settings, max_body_bytes=context.max_body_bytes),
}


def build_source(settings: AnySourceSettings, context: SourceContext) -> Source:
    """The source as configured, not listening yet.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    return SOURCES[type(settings)](settings, context)
