"""`watcher run`: the daemon."""

import asyncio
import signal
from typing import get_args

import click

from watcher.cli.options import config_option, required_configuration
from watcher.cli.options import log_level as wanted_level
from watcher.kit.log_settings import Level
from watcher.kit.signals import let_go
from watcher.kit.telemetry import configure_logging
from watcher.running import run_until_signalled
from watcher.settings import Configuration

AS_JSON = {"auto": None, "json": True, "text": False}


@click.command()
@click.option("--log-level", type=click.Choice(get_args(Level)), help="Instead of `log.level` of the configuration.")
@config_option
def run(log_level: str | None) -> None:
    """Run the daemon until SIGTERM; SIGHUP reloads policies."""
    configuration = required_configuration()
    logged = configuration.settings.log
    configure_logging(level=log_level or wanted_level(logged.level), as_json=AS_JSON[logged.format])
    asyncio.run(_run(configuration))


async def _run(configuration: Configuration) -> None:
    try:
        await run_until_signalled(configuration)
    finally:
        # All is done: should a thread still hang, whoever wants the process to end gets his will.
        let_go(signal.SIGTERM, signal.SIGINT)
