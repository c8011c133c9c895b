"""Settings → source, one line each."""

from watcher.sources.protocol import Source
from watcher.sources.webhook import WebhookSettings, WebhookSource

AnySourceSettings = WebhookSettings


def build_source(settings: AnySourceSettings, *, max_body_bytes: int) -> Source:
    """Raises ConfigurationError when a secret cannot be read."""
    match settings:
        case WebhookSettings():
            return WebhookSource(settings, max_body_bytes=max_body_bytes)
