"""The union that `sources` of the configuration is read into. Reading one imports no source, and nothing that a source needs."""

from watcher.sources.mqtt_settings import MqttSettings
from watcher.sources.pubsub_settings import PubsubSettings
from watcher.sources.sqs_settings import SqsSettings
from watcher.sources.sweep_settings import SweepSettings
from watcher.sources.webhook_settings import WebhookSettings

AnySourceSettings = WebhookSettings | SqsSettings | PubsubSettings | MqttSettings | SweepSettings
