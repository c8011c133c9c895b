"""Every source, by the settings that ask for it."""

from watcher.sources.context import SourceContext
from watcher.sources.mqtt import MqttSource
from watcher.sources.mqtt_settings import MqttSettings
from watcher.sources.protocol import Source
from watcher.sources.pubsub import PubsubSource
from watcher.sources.pubsub_settings import PubsubSettings
from watcher.sources.sqs import SqsSource
from watcher.sources.sqs_settings import SqsSettings
from watcher.sources.sweep import SweepSettings, SweepSource
from watcher.sources.webhook import WebhookSettings, WebhookSource

AnySourceSettings = WebhookSettings | SqsSettings | PubsubSettings | MqttSettings | SweepSettings


def build_source(settings: AnySourceSettings, context: SourceContext) -> Source:
    """Raises ConfigurationError when a secret cannot be read."""
    match settings:
        case WebhookSettings():
            return WebhookSource(settings, max_body_bytes=context.max_body_bytes)
        case SqsSettings():
            return SqsSource(settings)
        case PubsubSettings():
            return PubsubSource(settings)
        case MqttSettings():
            return MqttSource(settings)
        case SweepSettings():
            return SweepSource(
                settings, listing=context.listing, resolve=context.resolve, judged=context.judged, swept=context.swept
            )
