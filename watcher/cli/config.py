"""`watcher config check|schema`."""

import asyncio
import json
from typing import Any

import click

from watcher import settings as configuration
from watcher.cli.options import config_option, is_quiet, log_level, output_option, required_configuration
from watcher.cli.preflight import looked
from watcher.kit.counted import counted
from watcher.kit.telemetry import configure_logging
from watcher.model.errors import ConfigurationError
from watcher.preflight import Preflight
from watcher.sources.binding import EventSourceSettings

EXIT_USAGE = 2


@click.group()
@config_option
def config() -> None:
    """Check the configuration; print its JSON Schema."""


@config.command()
@output_option
@config_option
def check(output: str) -> None:
    """Say all that keeps the daemon from beginning, without a network: settings, policies, secrets, files, the store, the sandbox.

    Whether it may listen where it is to, and the store is nobody else's, is seen when the daemon begins.
    """
    configure_logging(level=log_level("critical"))  # stderr is for what was asked
    if output == "json":
        _print_json()
        return
    read = required_configuration()
    seen = asyncio.run(looked(read))
    for warning in () if is_quiet() else seen.warnings:
        click.echo(f"watcher: warning: {warning}", err=True)
    seen.require()
    settings, path = read.settings, read.source.file
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
    return f"{settings.server.url}/hooks/{source}" if kind == "webhook" else None


def _print_json() -> None:
    """One object, also of a file that cannot be read."""
    try:
        read = required_configuration()
    except ConfigurationError as error:
        seen, about = Preflight(problems=tuple(str(error).splitlines()), warnings=()), {}
    else:
        seen, about = asyncio.run(looked(read)), _json(read.source.file, read.settings)
    click.echo(json.dumps({"problems": seen.problems, "warnings": seen.warnings, **about}))
    if seen.problems:
        click.get_current_context().exit(EXIT_USAGE)


def _json(path: str, settings: configuration.Settings) -> dict[str, Any]:
    return {
        "file": path,
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


@config.command()
@config_option
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    click.echo(json.dumps(configuration.schema(), indent=2))
