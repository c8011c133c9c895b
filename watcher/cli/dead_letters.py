"""`watcher dead-letters list|replay`: what could not be processed, and another chance for it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click

from watcher.backlog.inbox_json import job_json
from watcher.backlog.protocol import JobRow
from watcher.cli.listing import listing_options, show_rows
from watcher.cli.options import config_option, output_option, required_settings
from watcher.cli.terminal import short_digest
from watcher.model.errors import ConfigurationError
from watcher.settings import Settings
from watcher.storage import Storage, opened
from watcher.store.dead_letters_json import failed_publication_json
from watcher.store.protocol import PUBLICATION, FailedPublication

# `--all` goes in steps of this size until none is left; one transaction each.
REPLAYED_AT_ONCE = 500


@click.group("dead-letters")
@config_option
def dead_letters() -> None:
    """List and replay what could not be processed."""


@dead_letters.command("list")
@listing_options
def list_(output: str, limit: int) -> None:
    """Show jobs that were given up, then publications, each newest first; as JSON one object per line."""

    async def rows(storage: Storage) -> Sequence[JobRow | FailedPublication]:
        jobs = await storage.jobs.dead_letters(limit=limit)
        publications = await storage.publications.failed(limit=limit)
        both: Sequence[JobRow | FailedPublication] = [*jobs, *publications]
        return both[:limit]

    show_rows(
        rows,
        output=output,
        as_json=_json,
        headings=("ID", "given up", "of", "image", "attempts", "reason", "detail"),
        as_cells=_cells,
        nothing="No dead letters.",
    )


@dead_letters.command()
@click.argument("letter_id", metavar="ID", required=False)
@click.option("--all", "everything", is_flag=True, help="Replay every dead letter.")
@output_option
@config_option
def replay(letter_id: str | None, output: str, *, everything: bool) -> None:
    """Give a dead letter, or all, another chance with all attempts; a running daemon takes it up within a second."""
    if (letter_id is None) != everything:
        raise click.UsageError("name one ID, or give --all")
    _, settings = required_settings()
    replayed = asyncio.run(_replayed(settings, letter_id))
    click.echo(json.dumps({"replayed": replayed}) if output == "json" else f"{replayed} replayed")


async def _replayed(settings: Settings, letter_id: str | None) -> int:
    """How many wait again. Raises ConfigurationError when `letter_id` is no dead letter."""
    async with opened(settings.store, read_only=False) as storage:
        if letter_id is not None:
            keeper = storage.publications if letter_id.startswith(PUBLICATION) else storage.keeper
            if not await keeper.replay(letter_id):
                raise ConfigurationError(f"no dead letter {letter_id[:80]!r}: `watcher dead-letters list` shows them")
            return 1
        jobs, publications = storage.jobs, storage.publications
        replayed = await _all_replayed(lambda: jobs.dead_letters(limit=REPLAYED_AT_ONCE), storage.keeper.replay)
        return replayed + await _all_replayed(lambda: publications.failed(limit=REPLAYED_AT_ONCE), publications.replay)


async def _all_replayed(
    listed: Callable[[], Awaitable[Sequence[JobRow | FailedPublication]]], replay: Callable[[str], Awaitable[bool]]
) -> int:
    replayed, seen = 0, set[str]()
    # A daemon may bury one again while we go on: each is replayed once, or this would never end.
    while fresh := [row.id for row in await listed() if row.id not in seen]:
        seen.update(fresh)
        replayed += sum(await asyncio.gather(*(replay(each) for each in fresh)))
    return replayed


def _json(row: JobRow | FailedPublication) -> dict[str, Any]:
    return job_json(row) if isinstance(row, JobRow) else failed_publication_json(row)


def _cells(row: JobRow | FailedPublication) -> Sequence[str]:
    if isinstance(row, JobRow):
        of, place, digest, given_up = "job", f"{row.registry}/{row.repository}", row.digest, row.settled_at or row.received_at
    else:
        subject = row.subject
        of, place, digest, given_up = row.publisher, f"{subject.registry}/{subject.repository}", subject.digest, row.failed_at
    image = place + (f":{row.tag}" if row.tag else f"@{short_digest(digest)}")
    return (row.id, f"{given_up:%Y-%m-%d %H:%M:%S}", of, image, str(row.attempts), row.reason, row.detail)
