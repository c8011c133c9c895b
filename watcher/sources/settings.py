"""The union that `sources` of the configuration is read into. Reading one imports no source, and nothing that a source needs."""

from watcher.sources.mqtt_settings import MqttSourceSettings
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.sources.sweep_settings import SweepSourceSettings
from watcher.sources.webhook_settings import WebhookSourceSettings

AnySourceSettings = WebhookSourceSettings | SqsSourceSettings | PubsubSourceSettings | MqttSourceSettings | SweepSourceSettings
