"""`watcher ledger`: what registries hold, minus what has a verdict, and why it has none."""

import asyncio
from collections.abc import Mapping, Sequence

import click
import msgspec

from watcher.cli import completing
from watcher.cli.options import config_option, required_settings
from watcher.cli.terminal import Cell, show_table
from watcher.kit.counted import counted
from watcher.kit.printable import printable
from watcher.model.holding import LastPass
from watcher.model.ledger import LedgerEntry, LedgerLine, LedgerState
from watcher.model.ledger_json import entry_json, line_json
from watcher.model.reference import Host, RepositoryName, parse_host, parse_repository
from watcher.pipeline.ledger import Ledger
from watcher.pipeline.reevaluate import POLICIES, UNFINISHED
from watcher.settings import Settings
from watcher.storage import Storage, opened

EXIT_MISSING = 1
EXIT_UNKNOWN = 3
# Repositories that are read at a time.
PAGE = 500


@click.command()
@click.argument("place", metavar="[HOST[/REPOSITORY]]", required=False, shell_complete=completing.registries)
@click.option("--all", "everything", is_flag=True, help="Also what is complete: repositories, or the images of REPOSITORY.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@config_option
def ledger(place: str | None, output: str, *, everything: bool) -> None:
    """Show where images have no verdict by the policies in force; of one REPOSITORY, which, and why.

    What registries hold is what sweeps saw there last. Exits with 1 when an image has no verdict at all, and with 3 when no sweep
    has looked, or could not look at something.
    """
    _, settings = required_settings()
    host, _, name = (place or "").partition("/")
    registry = parse_host(host) if place is not None else None
    if registry is not None and name:
        code = _show_images(settings, registry, parse_repository(name), output, everything=everything)
    else:
        code = _show_repositories(settings, registry, output, everything=everything)
    click.get_current_context().exit(code)


def _show_repositories(settings: Settings, registry: Host | None, output: str, *, everything: bool) -> int:
    lines, passes = asyncio.run(_read(settings, registry))
    shown = [each for each in lines if everything or each.judged < each.images or each.problem]
    if output == "json":
        for line in shown:
            click.echo(msgspec.json.encode(line_json(line)))
    elif shown:
        headings = ("REPOSITORY", "images", "judged", "outdated", "waiting", "cannot", "looked at", "not read")
        show_table(headings, [_line_cells(each) for each in shown])
    unknown = any(each.problem for each in lines)
    for host in [registry] if registry is not None else sorted(each.registry for each in settings.registries):
        last = passes.get(host)
        unknown = unknown or last is None or bool(last.problems)
        if output == "table":
            click.echo(_sum(host, [each for each in lines if each.registry == host], last))
    if any(each.without_verdict for each in lines):
        return EXIT_MISSING
    return EXIT_UNKNOWN if unknown else 0


def _show_images(settings: Settings, registry: Host, repository: RepositoryName, output: str, *, everything: bool) -> int:
    line, entries = asyncio.run(_read_one(settings, registry, repository))
    shown = [each for each in entries if everything or each.state is not LedgerState.JUDGED]
    if output == "json":
        for entry in shown:
            click.echo(msgspec.json.encode(entry_json(entry)))
    elif shown:
        show_table(("DIGEST", "tags", "state", "since", "outcome", "reason"), [_entry_cells(each) for each in shown])
    elif entries:
        judged = "its one image is" if len(entries) == 1 else f"all {len(entries)} images are"
        click.echo(f"{registry}/{repository}: {judged} judged")
    else:
        click.echo(f"{registry}/{repository}: no sweep has seen an image there")
    if line is not None and line.problem:
        click.echo(f"{registry}/{repository}: {printable(line.problem)}", err=True)
    if any(each.outcome is None for each in entries):
        return EXIT_MISSING
    return EXIT_UNKNOWN if line is None or line.problem else 0


async def _read(settings: Settings, registry: Host | None) -> tuple[Sequence[LedgerLine], Mapping[Host, LastPass]]:
    """And the last pass over each registry that came to its end."""
    async with opened(settings.store) as storage:
        lines = await _lines(await _books(storage), registry)
        return lines, {each.registry: each for each in await storage.known.holdings.passes()}


async def _read_one(
    settings: Settings, registry: Host, repository: RepositoryName
) -> tuple[LedgerLine | None, Sequence[LedgerEntry]]:
    async with opened(settings.store) as storage:
        books = await _books(storage)
        lines = await _lines(books, registry)
        line = next((each for each in lines if each.repository == repository), None)
        return line, await books.entries(registry, repository)


async def _lines(books: Ledger, registry: Host | None) -> Sequence[LedgerLine]:
    found: list[LedgerLine] = []
    while page := await books.lines(registry=registry, after=found[-1].place if found else None, limit=PAGE):
        found += page
    return found


async def _books(storage: Storage) -> Ledger:
    """By the policies that the daemon noted last; any will do while everything is put to be judged by others."""
    policies = (await storage.standing.marks()).get(POLICIES, "")
    in_force = "" if policies == UNFINISHED else policies
    return Ledger(held=storage.held, jobs=storage.jobs, policy_revision=lambda: in_force)


def _sum(registry: Host, lines: Sequence[LedgerLine], last: LastPass | None) -> str:
    if last is None and not lines:
        return f"{registry}: no sweep has looked yet; `watcher sweep` does it now"
    images, missing = sum(each.images for each in lines), sum(each.without_verdict for each in lines)
    said = (
        f"{registry}: {counted(len(lines), 'repository', 'repositories')}, {counted(images, 'image')}, {missing} without a verdict"
    )
    if last is None:
        return f"{said}; not looked through to the end yet"
    unread = last.problems.splitlines()
    more = f"; {counted(len(unread), 'thing')} could not be read, such as {printable(unread[0])}" if unread else ""
    return f"{said}{more}; looked through at {last.at:%Y-%m-%d %H:%M:%S}"


def _line_cells(line: LedgerLine) -> Sequence[Cell]:
    numbers = (line.images, line.judged, line.outdated, line.waiting, line.cannot)
    return (f"{line.registry}/{line.repository}", *numbers, f"{line.looked_at:%Y-%m-%d %H:%M:%S}", line.problem)


def _entry_cells(entry: LedgerEntry) -> Sequence[str]:
    since = f"{entry.since:%Y-%m-%d %H:%M:%S}"
    return (entry.digest, ", ".join(entry.tags), entry.state, since, entry.outcome or "", entry.reason)
