"""`watcher events parse|list|replay`: what a captured payload becomes, what arrived, and the same once more."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from watcher.backlog.inbox_json import event_json
from watcher.backlog.protocol import EventRow
from watcher.cli import completing
from watcher.cli.captured import read_deliveries
from watcher.cli.events_replay import Replay
from watcher.cli.listing import listing_options, show_rows
from watcher.cli.options import config_option, log_level, output_option, required_settings
from watcher.cli.terminal import short_digest
from watcher.dialects.catalog import DIALECTS, build_dialect
from watcher.kit.counted import counted
from watcher.kit.telemetry import configure_logging
from watcher.model.errors import ConfigurationError
from watcher.model.moments import iso
from watcher.model.push import Decision, Deleted, Handshake, Ignored, Push, Pushed
from watcher.model.reference import Host, parse_host
from watcher.sources.binding import EventSourceSettings
from watcher.storage import opened

FATES = ("accepted", "duplicates", "ignored", "rejected")


@click.group()
@config_option
def events() -> None:
    """Read captured payloads and the inbox."""


@events.command()
@click.option("--dialect", required=True, type=click.Choice(sorted(DIALECTS)), help="How the sender writes its events.")
@click.option(
    "--registry",
    metavar="HOST",
    shell_complete=completing.registries,
    help="The registry the source is bound to; without it no host name is compared.",
)
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=completing.sources,
    help="Read it as this source of the configuration would, with its mapping and names.",
)
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def parse(dialect: str, registry: str | None, source: str | None, file: Path) -> None:
    """Show what a captured payload becomes: one JSON object per event and line.

    FILE is a body; or `*.http.txt`: request line, headers, blank line, body; or a captured MQTT message: PUBLISH, its properties, a
    blank line, the payload; or what `aws sqs receive-message`, `gcloud pubsub subscriptions pull --format json` or `mosquitto_sub`
    with `-F %j`, `-F %J` or `-v` printed, several times after each other too.
    """
    configured = _source(source, dialect) if source or dialect == "generic" else EventSourceSettings(dialect=dialect)
    host = parse_host(registry) if registry else Host(configured.registry)
    reader = build_dialect(dialect, configured.mapping)
    bound = configured.delivery({}, b"")
    for delivery in read_deliveries(file, host):
        for decision in reader.read(replace(delivery, further=bound.further, aliases=bound.aliases)):
            click.echo(msgspec.json.encode(decision_json(decision)))


@events.command("list")
@listing_options
def list_(output: str, limit: int) -> None:
    """Show the inbox, newest first; as JSON one object per line."""
    show_rows(
        lambda storage: storage.jobs.events(limit=limit),
        output=output,
        as_json=event_json,
        headings=("ID", "received", "source", "fate", "image", "job", "became"),
        as_cells=_cells,
        nothing="No events.",
    )


@events.command()
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=completing.sources,
    help="Take in captured files, as `parse` reads them, as this source would.",
)
@click.option("--rejected", is_flag=True, help="Read every rejected event anew that is kept whole: its first 4 KiB are kept.")
@click.argument("which", metavar="[ID]... | --source NAME FILE...", nargs=-1)
@output_option
@config_option
def replay(source: str | None, which: tuple[str, ...], output: str, *, rejected: bool) -> None:
    """Take events in once more: by the running daemon they are judged within a second, else when it is started.

    A rejected event is read again, by the configuration of now; the image of any other is judged again.
    """
    if sum((bool(which), rejected)) != 1 or (source and rejected):
        raise click.UsageError("name IDs, or give --rejected, or --source NAME and files")
    if source is None and not all(each.isascii() and each.isdecimal() for each in which):
        raise click.UsageError("an ID is a number of `watcher events list`; for files name their --source")
    configure_logging(level=log_level("error"))
    _, settings = required_settings()

    async def replayed() -> Replay:
        async with opened(settings.store, read_only=False) as storage:
            again = Replay(storage=storage, sources=settings.event_sources)
            if source is not None:
                await again.files(source, map(Path, which))
            elif rejected:
                await again.rejected()
            else:
                await again.events(map(int, dict.fromkeys(which)))
            return again

    again = asyncio.run(replayed())
    counts = again.counts
    if output == "json":
        click.echo(msgspec.json.encode({**{fate: counts[fate] for fate in FATES}, "cut": again.cut}))
        return
    click.echo(", ".join(f"{counts[fate]} {fate}" for fate in FATES))
    if again.cut:
        are = "is" if again.cut == 1 else "are"
        click.echo(f"{counted(again.cut, 'rejected event')} {are} not kept whole: let the sender send again", err=True)


def decision_json(decision: Decision) -> dict[str, Any]:
    match decision:
        case Pushed(doubt=doubt) if doubt:
            return {"decision": "ignore", "reason": doubt}
        case Pushed(push=push):
            return {"decision": "push", "push": _push_json(push)}
        case Deleted():
            return {"decision": "ignore", "reason": "delete"}
        case Ignored(reason=reason):
            return {"decision": "ignore", "reason": reason}
        case Handshake(status=status):
            return {"decision": "handshake", "reason": f"answered with status {status}"}
        case _:
            return {"decision": "reject", "reason": decision.reason, "detail": decision.detail}


def _source(name: str | None, dialect: str) -> EventSourceSettings:
    """The source of that name and dialect in the configuration.

    Raises:
        ConfigurationError: there is none, or none was named.
    """
    if not name:
        raise ConfigurationError(
            "--dialect generic: name with -c FILE --source NAME the source whose `mapping` says where the fields are"
        )
    path, settings = required_settings()
    source = settings.event_sources.get(name)
    if source is not None and source.dialect == dialect:
        return source
    raise ConfigurationError(f"{path}: no source {name!r} of dialect {dialect}")


def _push_json(push: Push) -> dict[str, Any]:
    return {
        "registry": push.registry or None,
        "repository": push.repository,
        "tag": push.tag,
        "digest": push.digest,
        "media_type": push.media_type,
        "actor": push.actor,
        "occurred_at": iso(push.occurred_at) if push.occurred_at else None,
        "event_id": push.event_id,
        "needs": [] if push.digest else ["digest"],
    }


def _cells(row: EventRow) -> Sequence[str]:
    place = f"{row.registry}/{row.repository}" if row.repository else ""
    named = f":{row.tag}" if row.tag else f"@{short_digest(row.digest)}" if row.digest else ""
    fate = f"{row.fate}: {row.reason}" if row.reason else row.fate
    cells = (str(row.id), f"{row.received_at:%Y-%m-%d %H:%M:%S}", row.source, fate, place + named, row.job_id or "")
    return (*cells, became(row))


def became(row: EventRow) -> str:
    """What became of its job so far, in a word or two."""
    if row.job_state == "done":
        return row.job_reason
    return f"{row.job_state}: {row.job_reason}" if row.job_reason else row.job_state
