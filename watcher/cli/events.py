"""`watcher events parse|list`: what a captured payload becomes, and what arrived."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.backlog.protocol import EventRow
from watcher.backlog.rows import event_json
from watcher.backlog.sqlite import SqliteBacklog
from watcher.cli.options import config_option, required_settings
from watcher.cli.stored import opened_store
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.kit.clock import iso, utc_now
from watcher.model.errors import ConfigurationError
from watcher.model.push import Decision, Deleted, Handshake, Ignored, Push, Pushed
from watcher.model.reference import Host, parse_host
from watcher.reports.table import printable
from watcher.settings import Settings

REQUEST_SUFFIX = ".http.txt"
# No sender's payload comes near this; what does was not meant to be read here.
MAX_FILE_BYTES = 64 * 1024 * 1024
# A request with more is no request of a registry.
MAX_HEADERS = 200


@click.group()
@config_option
def events() -> None:
    """Read captured payloads and the inbox."""


@events.command()
@click.option("--dialect", required=True, type=click.Choice(sorted(DIALECTS)), help="How the sender writes its events.")
@click.option("--registry", metavar="HOST", help="The registry the source is bound to; without it no host name is compared.")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
def parse(dialect: str, registry: str | None, file: Path) -> None:
    """Show what a captured payload becomes: one JSON object per event and line.

    FILE is a body, or `*.http.txt`: request line, headers, blank line, body.
    """
    host = parse_host(registry) if registry else Host("")
    for decision in DIALECTS[dialect].read(read_delivery(file, host)):
        click.echo(msgspec.json.encode(decision_json(decision)))


@events.command("list")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Show so many, the newest.")
@config_option
def list_(output: str, limit: int) -> None:
    """Show the inbox, newest first; as JSON one object per line."""
    _, settings = required_settings()
    rows = asyncio.run(_listed(settings, limit))
    if output == "json":
        for row in rows:
            click.echo(msgspec.json.encode(event_json(row)))
    elif rows:
        Console(highlight=False).print(_table(rows))
    else:
        click.echo("No events.")


def read_delivery(file: Path, registry: Host) -> Delivery:
    """A captured request as its source would hand it over.

    Raises:
        ConfigurationError: unreadable, too large, or a `*.http.txt` that is no request.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{file}: more than {MAX_FILE_BYTES} bytes are not read")
    if not file.name.endswith(REQUEST_SUFFIX):
        return Delivery(registry=registry, headers={}, body=content)
    method, headers, body = _request(content, file)
    return Delivery(registry=registry, headers=headers, body=body, method=method)


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


async def _listed(settings: Settings, limit: int) -> Sequence[EventRow]:
    async with opened_store(settings) as database:
        return await SqliteBacklog(database, utc_now).events(limit=limit)


def _request(content: bytes, file: Path) -> tuple[str, dict[str, str], bytes]:
    """Method, headers by lower-case name, and body. Lines may end as HTTP's do or as a text editor's.

    Spec: RFC 9112 section 2.1; a header that is repeated is joined with commas, RFC 9110 section 5.3.
    """
    lines: list[str] = []
    position = 0
    while True:
        end = content.find(b"\n", position)
        if end < 0 or len(lines) > MAX_HEADERS:
            raise ConfigurationError(f"{file}: expected a request line, headers, a blank line and a body")
        line = content[position:end].rstrip(b"\r").decode("latin-1")
        position = end + 1
        if not line:
            break
        lines.append(line)
    method, _, _ = lines[0].partition(" ") if lines else ("", "", "")
    if not method.isalpha() or not method.isupper():
        raise ConfigurationError(f"{file}:1: expected a request line, such as POST /hooks/main HTTP/1.1")
    headers: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ConfigurationError(f"{file}:{number}: expected a header, NAME: VALUE")
        lowered = name.lower()
        headers[lowered] = f"{headers[lowered]}, {value.strip()}" if lowered in headers else value.strip()
    return method, headers, content[position:]


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


def _table(rows: Sequence[EventRow]) -> Table:
    table = Table(box=box.SIMPLE)
    for heading in ("ID", "received", "source", "fate", "image", "job"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        place = f"{row.registry}/{row.repository}" if row.repository else ""
        named = f":{row.tag}" if row.tag else f"@{row.digest[:19]}" if row.digest else ""
        fate = f"{row.fate}: {row.reason}" if row.reason else row.fate
        cells = (str(row.id), f"{row.received_at:%Y-%m-%d %H:%M:%S}", row.source, fate, place + named, row.job_id or "")
        # Text objects, so that nothing a sender wrote is markup.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table
