"""`list` commands: rows of the store, newest first, as a table or as one JSON object a line."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from watcher.cli.options import config_option, is_quiet, required_settings
from watcher.cli.terminal import show_table
from watcher.storage import Storage, opened

Row = TypeVar("Row")
Command = Callable[..., Any]


def listing_options(command: Command) -> Command:
    """`--output` and `--limit`, which the command hands on to `show_rows`."""
    for option in (
        config_option,
        click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Show so many, the newest."),
        click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True),
    ):
        command = option(command)
    return command


def show_rows(
    read: Callable[[Storage], Awaitable[Sequence[Row]]],
    *,
    output: str,
    as_json: Callable[[Row], dict[str, Any]],
    headings: Sequence[str],
    as_cells: Callable[[Row], Sequence[str]],
    nothing: str,
) -> None:
    """Read rows beside the daemon, or while none runs, and print them."""
    _, settings = required_settings()

    async def rows_of() -> Sequence[Row]:
        async with opened(settings.store) as storage:
            return await read(storage)

    rows = asyncio.run(rows_of())
    if output == "json":
        for row in rows:
            click.echo(msgspec.json.encode(as_json(row)))
        return
    if not rows:
        # No row: what counts lines counts none.
        if not is_quiet():
            click.echo(nothing, err=True)
        return
    show_table(headings, [as_cells(row) for row in rows])
