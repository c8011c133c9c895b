"""`watcher advisories update`: what is configured, fetched."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from watcher.cli.options import config_folder, config_option, optional_settings, output_option
from watcher.cli.terminal import console, shows_progress
from watcher.kit.clock import utc_now
from watcher.kit.counted import counted
from watcher.kit.printable import printable
from watcher.kit.suggestions import one_of
from watcher.model.errors import ConfigurationError

if TYPE_CHECKING:
    from watcher.advisories.update import Updated

EXIT_INCOMPLETE = 1


@click.command("update")
@click.argument("feeds", nargs=-1, metavar="[FEED]...")
@click.option("--full", is_flag=True, help="Fetch everything anew, also what has not changed.")
@output_option
@config_option
def fetch_configured(feeds: tuple[str, ...], full: bool, output: str) -> int:
    """Fetch what the configuration names, or of that only FEED (osv:Debian, kev).

    Only what has changed is fetched, and what broke off is gone on with. Everything is checked before the present data are
    replaced. A source that fails leaves its data as they were; the command then ends with 1, and what the others brought is
    there. Proxies are those of the environment (HTTPS_PROXY, NO_PROXY).
    """
    from watcher.advisories.fetching import Fetcher
    from watcher.advisories.sources import sources_of
    from watcher.advisories.update import Update

    settings = optional_settings().advisories
    sources = list(sources_of(settings))
    if unknown := sorted(set(feeds) - {each.feed for each in sources}):
        there = one_of(unknown[0], (each.feed for each in sources))
        raise ConfigurationError(f"{', '.join(map(printable, unknown))}: not configured; {there}")
    wanted = [each for each in sources if not feeds or each.feed in feeds]
    if not wanted:
        raise ConfigurationError("advisories: neither `ecosystems` nor `lists` name anything to fetch")
    with _bars() as told:
        # What is fetched is as old as the question, however long the answer took.
        begun, update = utc_now(), Update(wanted, config_folder() / settings.path, full=full)
        asyncio.run(update.fetch(Fetcher(told=told)))
    done = update.apply(now=begun)
    if output == "json":
        click.echo(msgspec.json.encode(_json(done)))
    else:
        _show(done)
    return EXIT_INCOMPLETE if done.failed else 0


@contextmanager
def _bars() -> Iterator[Callable[[str, int | None, int], None]]:
    """A bar a download, on a terminal only; they go away again."""
    if not shows_progress():
        yield lambda _name, _total, _done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as shown:
        bars: dict[str, TaskID] = {}

        def tell(name: str, total: int | None, done: int) -> None:
            if name not in bars:
                bars[name] = shown.add_task(name)
            shown.update(bars[name], total=total, completed=done)

        yield tell


def _show(done: "Updated") -> None:
    for feed in done.unchanged:
        click.echo(f"{feed}: nothing new")
    for feed in done.changed:
        click.echo(f"{feed}: updated")
    for each in done.report.malformed:
        click.echo(f"skipped {printable(each.where)}: {printable(each.reason)}", err=True)
    counts = done.report.counts
    click.echo(
        f"{counted(counts.added, 'advisory', 'advisories')} new, {counts.changed} changed, {counts.removed} removed;"
        f" {counted(counts.touched, 'package is', 'packages are')} concerned,"
        f" {counted(done.report.malformed_count, 'record')} could not be read"
    )
    for feed, reason in done.failed.items():
        click.echo(f"{feed}: failed, its data are as they were: {printable(reason)}", err=True)


def _json(done: "Updated") -> dict[str, Any]:
    counts = done.report.counts
    return {
        "changed": done.changed,
        "unchanged": done.unchanged,
        "failed": done.failed,
        "added": counts.added,
        "modified": counts.changed,
        "removed": counts.removed,
        "packages": counts.touched,
        "malformed": done.report.malformed_count,
    }
