"""`watcher config check|schema`."""

import json
from pathlib import Path
from typing import Any

import click

from watcher import settings as configuration
from watcher.cli.options import config_option, output_option, required_settings
from watcher.kit.clock import utc_now
from watcher.kit.counted import counted
from watcher.model.errors import ConfigurationError
from watcher.publishing.notation import notary
from watcher.publishing.settings import ReferrerPublisherSettings
from watcher.publishing.signing_key import signing_key
from watcher.sources.binding import EventSourceSettings


@click.group()
@config_option
def config() -> None:
    """Check the configuration; print its JSON Schema."""


@config.command()
@output_option
@config_option
def check(output: str) -> None:
    """Read the configuration and say what is wrong with it. Needs no network, and of all secrets only keys to sign with."""
    path, settings = required_settings()
    for publisher in settings.publish:
        if isinstance(publisher, ReferrerPublisherSettings):
            _check_keys(path, publisher)
    if output == "json":
        click.echo(json.dumps(_json(path, settings)))
        return
    registries = counted(len(settings.registries), "registry", "registries")
    sources, publishers = counted(len(settings.sources), "source"), counted(len(settings.publish), "publisher")
    click.echo(f"{path}: good: {registries}, {sources}, {publishers}")
    for source in settings.sources:
        kind = str(source.__struct_config__.tag)
        at = f" at {hook}" if (hook := _hook(settings, source.name, kind)) else ""
        what = f"{source.dialect} events of" if isinstance(source, EventSourceSettings) else "looks into"
        click.echo(f"  {source.name}: {kind}, {what} {source.registry}{at}")
    for publisher in settings.publish:
        outcomes = ", ".join(outcome.value for outcome in publisher.outcomes)
        click.echo(f"  {publisher.name}: {publisher.__struct_config__.tag}, told of {outcomes}")


def _hook(settings: configuration.Settings, source: str, kind: str) -> str | None:
    """Where a sender reaches it."""
    return f"http://{settings.server.host}:{settings.server.port}/hooks/{source}" if kind == "webhook" else None


def _json(path: Path, settings: configuration.Settings) -> dict[str, Any]:
    return {
        "file": str(path),
        "registries": [each.host for each in settings.registries],
        "sources": [
            {
                "name": each.name,
                "type": (kind := str(each.__struct_config__.tag)),
                "dialect": each.dialect if isinstance(each, EventSourceSettings) else None,
                "registry": each.registry,
                "url": _hook(settings, each.name, kind),
            }
            for each in settings.sources
        ],
        "publishers": [
            {
                "name": each.name,
                "type": str(each.__struct_config__.tag),
                "outcomes": [outcome.value for outcome in each.outcomes],
            }
            for each in settings.publish
        ],
    }


def _check_keys(path: Path, publisher: ReferrerPublisherSettings) -> None:
    """Raises ConfigurationError, as `run` would."""
    what = "sign_with"
    try:
        if publisher.sign_with is not None:
            signing_key(publisher.sign_with, publisher.sign_with_password)
        what = "notation"
        if publisher.notation is not None and (soon := notary(publisher.notation, utc_now()).warning_at(utc_now())):
            click.echo(f"{path}: publisher {publisher.name}: {what}: {soon}", err=True)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: publisher {publisher.name}: {what}: {error}") from error


@config.command()
@config_option
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    click.echo(json.dumps(configuration.schema(), indent=2))
