"""`watcher advisories import|export|update|status`: the vulnerability data that images are held against."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.text import Text

from watcher.advisories.bundle import export_bundle, is_bundle
from watcher.advisories.coverage import is_stale
from watcher.advisories.importing import Report, import_paths
from watcher.advisories.merging import import_bundle
from watcher.advisories.status import Status, status_of
from watcher.advisories.tables import Feed
from watcher.cli.advisories_lint import lint_vex
from watcher.cli.advisories_update import fetch_configured
from watcher.cli.options import config_folder, config_option, optional_settings, output_option
from watcher.cli.terminal import Cell, console, show_table, shows_progress
from watcher.evaluation.document.lifecycles import lifecycles
from watcher.kit.clock import utc_now
from watcher.kit.counted import counted
from watcher.kit.printable import printable
from watcher.kit.units import seconds
from watcher.model.errors import ConfigurationError
from watcher.model.moments import iso

EXIT_STALE = 1


@click.group("advisories")
@config_option
def advisories() -> None:
    """Vulnerability data: fetch or import them, and see how old they are and what they cover."""


advisories.add_command(fetch_configured)
advisories.add_command(lint_vex)


@advisories.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path, exists=True))
@click.option("--as-of", metavar="DATE", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Of when they are, in UTC.")
@output_option
@config_option
def import_files(paths: tuple[Path, ...], as_of: datetime | None, output: str) -> None:
    """Read advisories from files, folders and archives (.zip, .gz).

    What a file is, is told by what is in it: OSV records as .json or .jsonl; the databases of RustSec and PyPA, Alpine's secdb,
    Debian's security tracker; KEV and EPSS; OpenVEX and CSAF. A bundle of `export` is imported alone: its feeds take the place of
    those here that are not younger, and what only is here stays.

    What is there already and says the same costs nothing; a withdrawn advisory is taken out. A record that cannot be read is
    counted and named. The present data are replaced when everything was read, never before. Without --as-of each file's time
    of change says of when it is.
    """
    bundles = [path for path in paths if is_bundle(path)]
    if bundles and (len(paths) > 1 or as_of):
        raise ConfigurationError(f"{bundles[0]}: a bundle is imported alone, and says itself of when it is")
    with _progress() as seen:
        if bundles:
            report = import_bundle(bundles[0], data_path(), now=utc_now(), seen=seen)
        else:
            report = import_paths(paths, data_path(), now=utc_now(), as_of=as_of.replace(tzinfo=UTC) if as_of else None, seen=seen)
    if output == "json":
        click.echo(msgspec.json.encode(_report_json(report)))
    else:
        _show_report(report)


@advisories.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Take the place of a FILE that is there.")
@output_option
@config_option
def export(file: Path, output: str, *, replace: bool) -> None:
    """Write the data to FILE, one bundle for machines without a network: `watcher advisories import FILE`."""
    try:
        manifest = export_bundle(data_path(), file, replace=replace)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{data_path()}: there are no advisories yet: watcher advisories update") from error
    size = file.stat().st_size
    if output == "json":
        answer = {"file": str(file), "bytes": size, "unpacked_bytes": manifest.bytes, "revision": manifest.revision}
        click.echo(msgspec.json.encode(answer))
        return
    click.echo(f"{file}: {size / 2**20:.1f} MiB of {manifest.bytes / 2**20:.1f} MiB, revision {manifest.revision}")


@advisories.command()
@output_option
@config_option
def status(output: str) -> int:
    """What the data cover, and how old they are. Ends with 1 when there are none, or some are older than they may be."""
    settings, now = optional_settings().advisories, utc_now()
    try:
        found = status_of(data_path())
    except FileNotFoundError:
        if output == "json":
            click.echo(msgspec.json.encode(_lifecycles_json()))
        else:
            click.echo(f"{data_path()}: there are no advisories yet: watcher advisories update")
            _show_lifecycles(now)
        return EXIT_STALE
    stale = {each.name for each in found.feeds if is_stale(each.as_of, now=now, max_age_seconds=seconds(settings.max_age))}
    if output == "json":
        click.echo(msgspec.json.encode(_status_json(found, stale, now)))
    else:
        _show_status(found, stale, now)
        _show_lifecycles(now)
    return EXIT_STALE if stale else 0


def data_path() -> Path:
    """The file of the configuration, beside it."""
    return config_folder() / optional_settings().advisories.path


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A line that counts records and goes away again, on a terminal only."""
    if not shows_progress():
        yield lambda _count: None
        return
    with console(stderr=True).status("reading advisories") as shown:
        yield lambda count: shown.update(f"reading advisories: {count}")


def _show_report(report: Report) -> None:
    counts = report.counts
    for feed in report.kept:
        click.echo(f"{printable(feed)}: what is here is younger, and stays")
    for each in report.malformed:
        click.echo(f"skipped {printable(each.where)}: {printable(each.reason)}", err=True)
    if report.malformed_count > len(report.malformed):
        click.echo(f"skipped {report.malformed_count - len(report.malformed)} more", err=True)
    click.echo(
        f"{counted(report.records, 'record')} of {', '.join(report.feeds)}: {counts.added} new, {counts.changed} changed,"
        f" {counts.removed} removed; {counted(counts.touched, 'package is', 'packages are')} concerned,"
        f" {counted(report.malformed_count, 'record')} could not be read"
        + (f", {counted(report.others, 'file is', 'files are')} no advisories" if report.others else "")
    )


def _report_json(report: Report) -> dict[str, Any]:
    return {
        "records": report.records,
        "feeds": report.feeds,
        "kept": report.kept,
        "added": report.counts.added,
        "changed": report.counts.changed,
        "unchanged": report.counts.unchanged,
        "removed": report.counts.removed,
        "packages": report.counts.touched,
        "malformed": report.malformed_count,
        "others": report.others,
        "skipped": [{"where": each.where, "reason": each.reason} for each in report.malformed],
    }


def _show_status(found: Status, stale: set[str], now: datetime) -> None:
    headings = ("feed", "covers", "advisories", "age", "licence")
    show_table(headings, [_cells(each, now, is_stale=each.name in stale) for each in found.feeds])
    click.echo(
        f"{found.path}: {found.bytes / 2**20:.1f} MiB, revision {found.revision}; {counted(len(found.ecosystems), 'ecosystem')},"
        f" {counted(sum(found.ecosystems.values()), 'vulnerable package')}; {found.exploited} known exploited,"
        f" {found.likelihoods} with a probability, {counted(found.statements, 'VEX statement')}"
    )


def _cells(feed: Feed, now: datetime, *, is_stale: bool) -> Sequence[Cell]:
    age = _age(now - feed.as_of) if feed.as_of else "-"
    shown = Text(f"{age}, stale", style="red") if is_stale else age
    return printable(feed.name), printable(feed.covers) or "-", feed.advisories, shown, feed.licence


def _show_lifecycles(now: datetime) -> None:
    """The table of distributions comes along with the program: it has an age whether there are advisories or not."""
    ends = lifecycles()
    since = datetime(ends.as_of.year, ends.as_of.month, ends.as_of.day, tzinfo=UTC)
    click.echo(f"ends of support of {counted(len(ends.ends), 'distribution')}: a table of {ends.as_of}, {_age(now - since)} old")


def _status_json(found: Status, stale: set[str], now: datetime) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "bytes": found.bytes,
        "revision": found.revision,
        "feeds": [
            {
                "name": each.name,
                "covers": each.covers,
                "advisories": each.advisories,
                "malformed": each.malformed,
                "as_of": iso(each.as_of) if each.as_of else None,
                "age_seconds": round((now - each.as_of).total_seconds()) if each.as_of else None,
                "stale": each.name in stale,
                "licence": each.licence,
            }
            for each in found.feeds
        ],
        "ecosystems": dict(found.ecosystems),
        "exploited": found.exploited,
        "likelihoods": found.likelihoods,
        "statements": found.statements,
        **_lifecycles_json(),
    }


def _lifecycles_json() -> dict[str, Any]:
    ends = lifecycles()
    return {"lifecycles": {"as_of": ends.as_of.isoformat(), "distributions": len(ends.ends)}}


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} d" if hours >= 48 else f"{hours:.0f} h"
