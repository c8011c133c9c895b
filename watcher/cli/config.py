"""`watcher config check|schema`."""

import json

import click

from watcher import settings as configuration
from watcher.cli.options import config_option, required_settings


@click.group()
@config_option
def config() -> None:
    """Check the configuration; print its JSON Schema."""


@config.command()
@config_option
def check() -> None:
    """Read the configuration and say what is wrong with it. Needs no network and no secret."""
    path, settings = required_settings()
    click.echo(
        f"{path}: good: {len(settings.registries)} registries, {len(settings.sources)} sources, {len(settings.publish)} publishers"
    )
    for source in settings.sources:
        where = f"http://{settings.server.host}:{settings.server.port}/hooks/{source.name}"
        click.echo(f"  {source.name}: {source.dialect} events of {source.registry} at {where}")


@config.command()
@config_option
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    click.echo(json.dumps(configuration.schema(), indent=2))
