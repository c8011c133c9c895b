"""Settings → publisher, one line each."""

from collections.abc import Callable

import aiohttp

from watcher.model.reference import Host
from watcher.publishing.log import LogPublisher
from watcher.publishing.protocol import OwnWrites, Publisher
from watcher.publishing.referrer import ReferrerPublisher
from watcher.publishing.settings import LogSettings, PublisherSettings, ReferrerSettings, WebhookSettings
from watcher.publishing.webhook import WebhookPublisher
from watcher.registry.access import RegistryAccess


def build_publisher(
    settings: PublisherSettings, access: Callable[[Host], RegistryAccess], own_writes: OwnWrites, session: aiohttp.ClientSession
) -> Publisher:
    """Raises ConfigurationError when a secret cannot be read."""
    match settings:
        case ReferrerSettings():
            return ReferrerPublisher(settings, access, own_writes)
        case WebhookSettings():
            return WebhookPublisher(settings, session)
        case LogSettings():
            return LogPublisher(settings)
