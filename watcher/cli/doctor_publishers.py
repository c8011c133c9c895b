"""`watcher doctor`: whether each destination of verdicts answers, without being told anything."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from watcher.cli.doctor_areas import Area
from watcher.cli.doctor_sources import broker_of
from watcher.kit.checkup import Checkup, Found, Result
from watcher.kit.mqtt_greeting import greet
from watcher.model.errors import ConfigurationError, WatcherError
from watcher.publishers import open_publishers
from watcher.publishing.mqtt_settings import MqttPublisherSettings
from watcher.publishing.notify_settings import NotifyPublisherSettings
from watcher.publishing.settings import AnyPublisherSettings, LogPublisherSettings
from watcher.publishing.wanted import MessagePublisherSettings
from watcher.registry.access import RegistryClients
from watcher.settings import Settings
from watcher.storage import Storage, owned
from watcher.store.settings import StoreSettings

# What a destination has to allow, by its type.
PERMISSIONS = {
    "eventbridge": "an identity of this machine that may events:PutEvents on the bus",
    "github-issue": "a token with Issues: read and write, of the repository",
    "github-status": "a token with Commit statuses: read and write",
    "gitlab-issue": "a token with the scope api, of a member of the project",
    "gitlab-status": "a token with the scope api, of a developer of the project",
    "jira": "an account that may browse the project, and create and edit its issues",
    "pubsub": "an identity with roles/pubsub.publisher on the topic",
    "sns": "an identity of this machine that may sns:Publish on the topic",
    "sqs": "an identity of this machine that may sqs:SendMessage on the queue",
}


@asynccontextmanager
async def scratch() -> AsyncIterator[Storage]:
    """A store for publishers to begin with, which is thrown away: the daemon's own is its own."""
    with tempfile.TemporaryDirectory(prefix="watcher-doctor-") as folder:
        async with owned(StoreSettings(url=f"sqlite:///{Path(folder) / 'watcher.db'}")) as storage:
            yield storage


def publisher_areas(settings: Settings, storage: Storage) -> Sequence[Area]:
    """One for each, every URL of `notify` apart."""
    return [
        Area(
            kind="publisher", name=each.name, about=str(each.__struct_config__.tag), look=partial(_checked, settings, each, storage)
        )
        for each in settings.publish
    ]


async def _checked(settings: Settings, publisher: AnyPublisherSettings, storage: Storage) -> Checkup:
    checkup = Checkup(advise=lambda _step, error: _advice(str(publisher.__struct_config__.tag), error))
    await checkup.step("open", lambda: _opened(settings, publisher, storage))
    return checkup


async def _opened(settings: Settings, publisher: AnyPublisherSettings, storage: Storage) -> Found:
    """Raises as `Publisher.open` does, and for its secrets."""
    if isinstance(publisher, MqttPublisherSettings):
        # A publisher that opens says that it is online, and one that goes that it is not: the daemon's own affair.
        await greet(broker_of(publisher))
        where = f"{publisher.host}:{publisher.address.connected_port}"
        return Found(detail=f"{where} takes us; whether we may write there is not tried")
    alone = msgspec.structs.replace(settings, publish=(publisher,))
    async with (
        RegistryClients.of(settings.registries) as registries,
        open_publishers(alone, storage, registries, {}) as publishers,
    ):
        await publishers[publisher.name].open()
    if isinstance(publisher, LogPublisherSettings):
        return Found(detail="our own log")
    if isinstance(publisher, NotifyPublisherSettings):
        advice = f"watcher notify test {publisher.name}"
        return Found(detail="it cannot be asked without being told something", result=Result.SKIPPED, advice=advice)
    if publisher.in_registry:
        return Found(detail="it writes to registries: see push, delete and block of each")
    sends = isinstance(publisher, MessagePublisherSettings)
    return Found(detail="it answers" + (f"; watcher notify test {publisher.name} sends it a sample" if sends else ""))


def _advice(kind: str, error: WatcherError) -> str:
    """What it takes, where somebody refuses; a secret that is not there has been named."""
    if isinstance(error, ConfigurationError) or error.reason.endswith("unreachable"):
        return ""
    return f"it takes {PERMISSIONS[kind]}" if kind in PERMISSIONS else ""
