"""`watcher version`: which program this is."""

import json
import platform

import click

from watcher.cli.options import config_option, output_option
from watcher.cli.terminal import show_columns
from watcher.kit.version import REVISION, VERSION


@click.command()
@output_option
@config_option
def version(output: str) -> None:
    """Print the version, the commit it was built from where that is known, and what reads layers."""
    from watcher.inspection.makers import READER_VERSION

    if output == "json":
        told = {"version": VERSION, "revision": REVISION or None, "python": platform.python_version(), "reader": READER_VERSION}
        click.echo(json.dumps({**told, "platform": f"{platform.system().lower()}/{platform.machine()}"}))
        return
    rows = [("version", VERSION), ("revision", REVISION or "unknown"), ("python", platform.python_version())]
    show_columns([*rows, ("reader", str(READER_VERSION)), ("platform", f"{platform.system().lower()}/{platform.machine()}")])
