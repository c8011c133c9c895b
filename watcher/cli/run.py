"""`watcher run`: the daemon."""

import asyncio

import click

from watcher.cli.options import config_option, required_settings
from watcher.daemon import run_until_signalled
from watcher.kit.telemetry import configure_logging


@click.command()
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
@config_option
def run(log_level: str) -> None:
    """Run the daemon until SIGTERM; SIGHUP reloads policies."""
    path, settings = required_settings()
    configure_logging(level=log_level)
    asyncio.run(run_until_signalled(settings, folder=path.parent))
