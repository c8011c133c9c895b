"""`watcher init --print`: what to do at the other side of the sources that a configuration has. Nothing is written or made up.

A secret is shown as the reference to it, since it may be anywhere: whoever does what is printed puts its value there.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import click

from watcher.cli.init_dialects import SETUPS
from watcher.cli.init_values import ELSEWHERE, HERE, amazon_of, base_of, broker_of
from watcher.cli.init_ways import filled, text_of
from watcher.cli.options import required_settings
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host
from watcher.registry.settings import is_loopback
from watcher.settings import Settings
from watcher.sources.binding import EventSourceSettings
from watcher.sources.mqtt_settings import MqttSourceSettings
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.sources.webhook_settings import BasicAuth, PathTokenAuth, WebhookSourceSettings

_QUEUE = re.compile(r"https://sqs\.(?P<region>[^.]+)\.(?P<domain>[^/]+)/(?P<account>[0-9]+)/(?P<queue>[^/]+)")


def print_again(url: str | None, output: str) -> None:
    """Raises ConfigurationError where no source is one that somebody writes to."""
    path, settings = required_settings()
    if not settings.event_sources:
        raise ConfigurationError(f"{path}: no source that a sender writes to; `sources` has none but sweeps, or nothing")
    for name, source in settings.event_sources.items():
        text = text_for(source, settings, path, url)
        if output == "json":
            kind = str(source.__struct_config__.tag)
            told = {"file": str(path), "source": name, "registry": source.registry, "dialect": source.dialect, "type": kind}
            click.echo(json.dumps({**told, "text": text}))
        else:
            click.echo(f"# {name}: {SETUPS[source.dialect].name}, {source.registry}\n{text}")


def text_for(source: EventSourceSettings, settings: Settings, path: Path, url: str | None) -> str:
    """What to do at the other side of one source."""
    host, setup = Host(source.registry), SETUPS[source.dialect]
    own = HERE.replace("8080", str(settings.server.port)) if is_loopback(host) else ELSEWHERE
    base = base_of(url, settings.server.public_url or own)
    secret = f"<{reference}>" if (reference := _reference(source)) else ""
    hook = f"{base}/hooks/{source.name}"
    values = {"registry": host, "url": hook, "secret": secret, "label": host.partition(".")[0], "file": str(path)}
    values |= amazon_of(host if source.dialect == "ecr" else Host(SETUPS["ecr"].registry)) | broker_of(host) | {"user": setup.user}
    values |= _own_values(source, hook, secret)
    text = filled(text_of(source.dialect, str(source.__struct_config__.tag)), values)
    for usual, ours in _names(source).items():
        text = text.replace(usual, ours)
    note = f"# {secret} is to be the value that {reference} refers to.\n" if secret and secret in text else ""
    return f"{note}{text}"


def _reference(source: EventSourceSettings) -> str | None:
    """Where the secret is kept that the sender is to have, if there is one."""
    if isinstance(source, MqttSourceSettings):
        return source.password
    auth = source.auth if isinstance(source, WebhookSourceSettings) else None
    found = getattr(auth, "secret", None) or getattr(auth, "password", None)
    return found if isinstance(found, str) else None


def _own_values(source: EventSourceSettings, hook: str, secret: str) -> Mapping[str, str]:
    """What the source says itself."""
    match source:
        case WebhookSourceSettings(auth=PathTokenAuth()):
            return {"url": f"{hook}/{secret}"}
        case WebhookSourceSettings(auth=BasicAuth(username=user)):
            return {"user": user}
        case MqttSourceSettings(host=host, address=address):
            tls = address.connected_port == 8883
            return {"broker": host, "port": str(address.connected_port), "scheme": "mqtts" if tls else "mqtt"}
        case SqsSourceSettings(queue_url=url) if match := _QUEUE.fullmatch(url):
            return {name: match[name] for name in ("region", "domain", "account")}
        case _:
            return {}


def _names(source: EventSourceSettings) -> Mapping[str, str]:
    """What the texts call a thing, and what the source does."""
    match source:
        case MqttSourceSettings(topics=(topic,)):
            return {"registry/push": topic}
        case SqsSourceSettings(queue_url=url) if match := _QUEUE.fullmatch(url):
            return {"registry-watcher": match["queue"]}
        case PubsubSourceSettings(subscription=subscription):
            _, project, _, name = subscription.split("/")
            return {"my-project": project, "subscriptions create registry-watcher": f"subscriptions create {name}"}
        case _:
            return {}
