"""`watcher dead-letters list|replay`: what could not be processed, and another chance for it."""

import asyncio
from collections.abc import Sequence

import click
import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from watcher.backlog.protocol import JobRow
from watcher.backlog.rows import job_json
from watcher.cli.options import config_option, required_settings
from watcher.cli.terminal import console
from watcher.model.errors import ConfigurationError
from watcher.reports.table import printable
from watcher.settings import Settings
from watcher.storage import opened

# `--all` goes in steps of this size until none is left; one transaction each.
REPLAYED_AT_ONCE = 500


@click.group("dead-letters")
@config_option
def dead_letters() -> None:
    """List and replay what could not be processed."""


@dead_letters.command("list")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Show so many, the newest.")
@config_option
def list_(output: str, limit: int) -> None:
    """Show the dead letters, newest first; as JSON one object per line."""
    _, settings = required_settings()
    rows = asyncio.run(_listed(settings, limit))
    if output == "json":
        for row in rows:
            click.echo(msgspec.json.encode(job_json(row)))
    elif rows:
        console().print(_table(rows))
    else:
        click.echo("No dead letters.")


@dead_letters.command()
@click.argument("job_id", metavar="ID", required=False)
@click.option("--all", "everything", is_flag=True, help="Replay every dead letter.")
@config_option
def replay(job_id: str | None, *, everything: bool) -> None:
    """Give a dead letter, or all, another chance with all attempts; a running daemon takes it up within a second."""
    if (job_id is None) != everything:
        raise click.UsageError("name one ID, or give --all")
    _, settings = required_settings()
    replayed = asyncio.run(_replayed(settings, job_id))
    click.echo(f"{replayed} replayed")


async def _listed(settings: Settings, limit: int) -> Sequence[JobRow]:
    async with opened(settings.store) as storage:
        return await storage.jobs.dead_letters(limit=limit)


async def _replayed(settings: Settings, job_id: str | None) -> int:
    """How many wait again. Raises ConfigurationError when `job_id` is no dead letter."""
    async with opened(settings.store, read_only=False) as storage:
        if job_id is not None:
            if not await storage.keeper.replay(job_id):
                raise ConfigurationError(f"no dead letter {job_id[:80]!r}: `watcher dead-letters list` shows them")
            return 1
        replayed, seen = 0, set[str]()
        # A daemon may bury one again while we go on: each is replayed once, or this would never end.
        while fresh := [row.id for row in await storage.jobs.dead_letters(limit=REPLAYED_AT_ONCE) if row.id not in seen]:
            seen.update(fresh)
            results = await asyncio.gather(*(storage.keeper.replay(each) for each in fresh))
            replayed += sum(results)
        return replayed


def _table(rows: Sequence[JobRow]) -> Table:
    table = Table(box=box.SIMPLE)
    # An id is there to be copied, so it is never cut.
    table.add_column("ID", no_wrap=True)
    for heading in ("received", "image", "attempts", "reason", "detail"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        image = f"{row.registry}/{row.repository}" + (f":{row.tag}" if row.tag else f"@{row.digest[:19]}")
        cells = (row.id, f"{row.received_at:%Y-%m-%d %H:%M:%S}", image, str(row.attempts), row.reason, row.detail)
        # Text objects, so that nothing an image's author wrote is markup.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table
