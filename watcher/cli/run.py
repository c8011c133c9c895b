"""`watcher run`: the daemon."""

import asyncio
from typing import get_args

import click

from watcher.cli.options import config_option, required_settings
from watcher.daemon import run_until_signalled
from watcher.kit.log_settings import Level
from watcher.kit.telemetry import configure_logging

AS_JSON = {"auto": None, "json": True, "text": False}


@click.command()
@click.option("--log-level", type=click.Choice(get_args(Level)), help="Instead of `log.level` of the configuration.")
@config_option
def run(log_level: str | None) -> None:
    """Run the daemon until SIGTERM; SIGHUP reloads policies."""
    path, settings = required_settings()
    configure_logging(level=log_level or settings.log.level, as_json=AS_JSON[settings.log.format])
    asyncio.run(run_until_signalled(settings, folder=path.parent))
