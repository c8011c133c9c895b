"""`watcher doctor`: whether news would arrive by each source, without any being taken."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from watcher.cli.doctor_areas import Area
from watcher.kit.checkup import Checkup, Found, Result
from watcher.kit.mqtt_client import Broker
from watcher.kit.mqtt_greeting import greet
from watcher.kit.secret import resolve
from watcher.kit.units import seconds, size_bytes
from watcher.model.errors import WatcherError
from watcher.model.reference import Host, RepositoryName
from watcher.publishing.mqtt_settings import MqttPublisherSettings
from watcher.registry.access import RegistryClients
from watcher.registry.probe_permissions import LIST, needed
from watcher.registry.settings import RegistrySettings
from watcher.settings import Settings
from watcher.sources import pubsub_probe, sqs_probe
from watcher.sources.mqtt_settings import MqttSourceSettings, is_shared
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.sources.settings import AnySourceSettings
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.sources.sweep_settings import SweepSourceSettings
from watcher.sources.webhook import WebhookSource
from watcher.sources.webhook_settings import NoAuth, WebhookSourceSettings


def source_areas(settings: Settings) -> Sequence[Area]:
    """One for each."""
    return [
        Area(
            kind="source",
            name=each.name,
            about=str(each.__struct_config__.tag),
            look=partial(_checked, settings, each),
        )
        for each in settings.sources
    ]


async def _checked(settings: Settings, source: AnySourceSettings) -> Checkup:
    checkup = Checkup(advise=lambda _step, _error: "")
    name, look = LOOKS[type(source)]
    await checkup.step(name, lambda: look(source, settings))
    return checkup


async def _webhook(source: WebhookSourceSettings, settings: Settings) -> Found:
    """Raises ConfigurationError for a secret that is not there. That its port answers is the server's affair."""
    WebhookSource(source, max_body_bytes=size_bytes(settings.server.max_body))
    at = f"{settings.server.url}/hooks/{source.name}"
    if isinstance(source.auth, NoAuth):
        advice = "give it a secret, unless nobody but the sender reaches the port"
        return Found(detail=f"{at} takes events of anybody", result=Result.WARNING, advice=advice)
    return Found(detail=f"the secret of its sender can be read; it posts to {at}")


async def _sqs(source: SqsSourceSettings, _: Settings) -> Found:
    return await sqs_probe.look(source)


async def _pubsub(source: PubsubSourceSettings, _: Settings) -> Found:
    return await pubsub_probe.look(source)


async def _mqtt(source: MqttSourceSettings, _: Settings) -> Found:
    """Messages of a shared subscription would be given to us, so that it is not asked for."""
    topics = [topic for topic in source.topics if not is_shared(topic)]
    refused = await greet(broker_of(source), topics)
    where = f"{source.host}:{source.address.connected_port}"
    if refused:
        said = "; ".join(f"{topic}: {why}" for topic, why in refused.items())
        advice = "let this user read these topics, in the broker's access list"
        return Found(detail=f"{where} refuses {said}", result=Result.FAILED, advice=advice)
    shared = "; shared topics were not tried" if len(topics) < len(source.topics) else ""
    return Found(detail=f"{where} takes us, and grants {', '.join(topics) or 'what was not asked'}{shared}")


async def _sweep(source: SweepSourceSettings, settings: Settings) -> Found:
    """Raises as `Listing` does."""
    host = Host(source.registry)
    async with RegistryClients.of(settings.registries) as registries:
        listing = registries.listing(host)
        names = [name for name in source.repositories if "*" not in name]
        if len(names) == len(source.repositories):
            async for tag in listing.tags(RepositoryName(names[0])):
                return Found(detail=f"{host} lists the tags of {names[0]}: {tag}, …")
            return Found(detail=f"{host} shows no tags of {names[0]}", result=Result.WARNING, advice="is it written right?")
        try:
            async for repository in listing.repositories():
                return Found(detail=f"{host} lists its repositories: {repository}, …")
        except WatcherError as error:
            kind = next((each for each in settings.registries if each.registry == host), RegistrySettings(host=host)).registry_kind
            allowed = needed(LIST, kind)
            advice = "name the repositories" + (f"; or, to have them listed, {allowed}" if allowed else "")
            return Found(detail=str(error), result=Result.FAILED, advice=advice)
    return Found(detail=f"{host} lists no repository", result=Result.WARNING, advice="it is empty, or shows us nothing")


def broker_of(settings: MqttSourceSettings | MqttPublisherSettings) -> Broker:
    """As somebody whom the daemon does not know, so that nobody is thrown out. Raises ConfigurationError."""
    return Broker(
        host=settings.host,
        port=settings.address.connected_port,
        is_v5=settings.version == 5,
        client_id=f"watcher-doctor-{secrets.token_hex(4)}",
        username=settings.username,
        password=None if settings.password is None else resolve(settings.password),
        tls=settings.address.tls_context(),
        keepalive_seconds=int(seconds(settings.keepalive)),
        timeout_seconds=seconds(settings.timeout),
    )


# By the settings: what the step is called, and what it does.
LOOKS: Mapping[type, tuple[str, Callable[[Any, Settings], Awaitable[Found]]]] = {
    MqttSourceSettings: ("broker", _mqtt),
    PubsubSourceSettings: ("subscription", _pubsub),
    SqsSourceSettings: ("queue", _sqs),
    SweepSourceSettings: ("listing", _sweep),
    WebhookSourceSettings: ("secret", _webhook),
}
