"""`watcher dead-letters list|replay`: what could not be processed, and another chance for it."""

import asyncio
from collections.abc import Sequence

import click

from watcher.backlog.inbox_json import job_json
from watcher.backlog.protocol import JobRow
from watcher.cli.listing import listing_options, show_rows
from watcher.cli.options import config_option, required_settings
from watcher.model.errors import ConfigurationError
from watcher.settings import Settings
from watcher.storage import opened

# `--all` goes in steps of this size until none is left; one transaction each.
REPLAYED_AT_ONCE = 500


@click.group("dead-letters")
@config_option
def dead_letters() -> None:
    """List and replay what could not be processed."""


@dead_letters.command("list")
@listing_options
def list_(output: str, limit: int) -> None:
    """Show the dead letters, newest first; as JSON one object per line."""
    show_rows(
        lambda storage: storage.jobs.dead_letters(limit=limit),
        output=output,
        as_json=job_json,
        headings=("ID", "received", "image", "attempts", "reason", "detail"),
        as_cells=_cells,
        nothing="No dead letters.",
    )


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


def _cells(row: JobRow) -> Sequence[str]:
    image = f"{row.registry}/{row.repository}" + (f":{row.tag}" if row.tag else f"@{row.digest[:19]}")
    return (row.id, f"{row.received_at:%Y-%m-%d %H:%M:%S}", image, str(row.attempts), row.reason, row.detail)
