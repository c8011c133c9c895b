"""`watcher config check|schema`."""

import json

import click

from watcher import settings as configuration
from watcher.cli.options import config_option, required_settings
from watcher.sources.binding import EventSourceSettings


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
        kind = str(source.__struct_config__.tag)
        at = f" at http://{settings.server.host}:{settings.server.port}/hooks/{source.name}" if kind == "webhook" else ""
        what = f"{source.dialect} events of" if isinstance(source, EventSourceSettings) else "looks into"
        click.echo(f"  {source.name}: {kind}, {what} {source.registry}{at}")
    for publisher in settings.publish:
        outcomes = ", ".join(outcome.value for outcome in publisher.outcomes)
        click.echo(f"  {publisher.name}: {publisher.__struct_config__.tag}, told of {outcomes}")


@config.command()
@config_option
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    click.echo(json.dumps(configuration.schema(), indent=2))
