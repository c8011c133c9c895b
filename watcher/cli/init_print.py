"""`watcher init --print`: what to do at the other side of the sources that a configuration has. Nothing is written or made up.

A secret is shown as the reference to it, since it may be anywhere: whoever does what is printed puts its value there.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import click

from watcher.cli.init_dialects import SETUPS
from watcher.cli.init_proof import WRITE_PROJECT, proven
from watcher.cli.init_values import ELSEWHERE, amazon_in, amazon_of, base_of, broker_of
from watcher.cli.init_ways import filled, text_of
from watcher.cli.options import required_settings
from watcher.model.amazon import ECR_HOST
from watcher.model.errors import ConfigurationError
from watcher.model.reference import Host
from watcher.registry.settings import is_loopback
from watcher.settings import Settings
from watcher.sources.binding import EventSourceSettings
from watcher.sources.mqtt_settings import MqttSourceSettings
from watcher.sources.pubsub_settings import PubsubSourceSettings
from watcher.sources.sqs_settings import SqsSourceSettings
from watcher.sources.webhook_settings import SnsAuth, WebhookSourceSettings

_QUEUE = re.compile(r"https://sqs\.(?P<region>[^.]+)\.(?P<domain>[^/]+)/(?P<account>[0-9]+)/(?P<queue>[^/]+)")
# What is to be written into a configuration that has it already.
_QUEUE_URL = "; write its QueueUrl, which this prints, into {{file}}:"


def print_again(url: str | None, output: str) -> None:
    """Raises ConfigurationError where no source is one that somebody writes to."""
    path, settings = required_settings()
    if not settings.event_sources:
        raise ConfigurationError(f"{path}: no source that a sender writes to; `sources` has none but sweeps, or nothing")
    for index, source in enumerate(settings.sources):
        if not isinstance(source, EventSourceSettings):
            continue
        name, text = source.name, text_for(source, settings, path, url, index)
        if output == "json":
            kind = str(source.__struct_config__.tag)
            told = {"file": str(path), "source": name, "registry": source.registry, "dialect": source.dialect, "type": kind}
            click.echo(json.dumps({**told, "text": text}))
        else:
            click.echo(f"# {name}: {SETUPS[source.dialect].name}, {source.registry}\n{text}")


def text_for(source: EventSourceSettings, settings: Settings, path: Path, url: str | None, index: int) -> str:
    """What to do at the other side of one source, the one at `index` in the file."""
    host, setup = Host(source.registry), SETUPS[source.dialect]
    is_near = is_loopback(host) and settings.server.on_loopback
    base = base_of(url, settings.server.url if is_near else settings.server.public_url or ELSEWHERE)
    secret = f"<{reference}>" if (reference := _reference(source)) else ""
    hook = f"{base}/hooks/{source.name}"
    values = {"registry": host, "url": hook, "secret": secret, "label": host.partition(".")[0], "file": str(path)}
    values |= amazon_of(Host(SETUPS["ecr"].registry)) | broker_of(host) | {"user": setup.user}
    if source.dialect == "ecr":
        amazon = _amazon(source)
        if not amazon:
            return _no_account(source, index)
        values |= amazon
    template = text_of(source.dialect, str(source.__struct_config__.tag))
    # Before anything is filled in, which may be called as what stands here for another.
    for usual, ours in _names(source).items():
        template = template.replace(usual, ours)
    if isinstance(source, WebhookSourceSettings):
        template, own_values = proven(source, template, hook, secret)
    else:
        own_values = _own_values(source)
    text = filled(template, {**values, **own_values})
    note = f"# {secret} is to be the value that {reference} refers to.\n" if secret and secret in text else ""
    return f"{note}{text}"


def _amazon(source: EventSourceSettings) -> Mapping[str, str]:
    """Account and region: those of its registries, else of what its events come by; empty where nothing tells them."""
    for host in (source.registry, *source.further_registries):
        if ECR_HOST.fullmatch(host):
            return amazon_of(Host(host))
    match source:
        case SqsSourceSettings(queue_url=url) if match := _QUEUE.fullmatch(url):
            return amazon_in(match["region"], match["account"])
        case WebhookSourceSettings(auth=SnsAuth(topics=(topic, *_))):
            *_, region, account, _ = topic.split(":")
            return amazon_in(region, account)
        case _:
            return {}


def _no_account(source: EventSourceSettings, index: int) -> str:
    return (
        f"# sources[{index}].registry: {source.registry} tells neither account nor region, as ACCOUNT.dkr.ecr.REGION.amazonaws.com"
        " does, and nothing else of this source does; what to do in AWS cannot be said.\n"
    )


def _reference(source: EventSourceSettings) -> str | None:
    """Where the secret is kept that the sender is to have, if there is one."""
    if isinstance(source, MqttSourceSettings):
        return source.password
    auth = source.auth if isinstance(source, WebhookSourceSettings) else None
    found = getattr(auth, "secret", None) or getattr(auth, "password", None)
    return found if isinstance(found, str) else None


def _own_values(source: EventSourceSettings) -> Mapping[str, str]:
    """What the source says itself."""
    match source:
        case MqttSourceSettings(host=host, address=address):
            tls = address.connected_port == 8883
            return {"broker": host, "port": str(address.connected_port), "scheme": "mqtts" if tls else "mqtt"}
        case SqsSourceSettings(queue_url=url) if match := _QUEUE.fullmatch(url):
            return {**amazon_in(match["region"], match["account"]), "domain": match["domain"]}
        case _:
            return {}


def _names(source: EventSourceSettings) -> Mapping[str, str]:
    """What the texts call a thing, and what the source does."""
    match source:
        case MqttSourceSettings(topics=(topic,)):
            return {"registry/push": topic}
        case SqsSourceSettings(queue_url=url) if match := _QUEUE.fullmatch(url):
            return {"registry-watcher": match["queue"], _QUEUE_URL: ":"}
        case PubsubSourceSettings(subscription=subscription):
            _, project, _, name = subscription.split("/")
            return {
                WRITE_PROJECT: "",
                "my-project": project,
                "subscriptions create registry-watcher": f"subscriptions create {name}",
            }
        case _:
            return {}
