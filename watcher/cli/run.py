"""`watcher run`: the daemon."""

import asyncio
from typing import get_args

import click

from watcher.cli.options import config_option, required_configuration
from watcher.cli.options import log_level as wanted_level
from watcher.kit.log_settings import Level
from watcher.kit.telemetry import configure_logging
from watcher.running import run_until_signalled

AS_JSON = {"auto": None, "json": True, "text": False}


@click.command()
@click.option("--log-level", type=click.Choice(get_args(Level)), help="Instead of `log.level` of the configuration.")
@config_option
def run(log_level: str | None) -> None:
    """Run the daemon until SIGTERM; SIGHUP reloads policies."""
    configuration = required_configuration()
    logged = configuration.settings.log
    configure_logging(level=log_level or wanted_level(logged.level), as_json=AS_JSON[logged.format])
    asyncio.run(run_until_signalled(configuration))
