"""`watcher store backup|check|stats`: copies of the file that everything is kept in, whether it is whole, and what is in it."""

import math
from pathlib import Path

import click
import msgspec

from watcher.cli.options import config_option, output_option, required_settings
from watcher.cli.terminal import show_columns, show_table
from watcher.kit.sqlite_copy import copy
from watcher.store.checking import Report, check, lost, require_ours
from watcher.store.stats import sizes

EXIT_DAMAGED = 1


@click.group("store")
@config_option
def store() -> None:
    """Copy the store, see whether it is whole and what is in it; beside a running daemon too."""


@store.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Take the place of a FILE that is there.")
@output_option
@config_option
def backup(file: Path, output: str, *, replace: bool) -> None:
    """Write a consistent copy of the store to FILE, readable by you alone."""
    _, settings = required_settings()
    path = settings.store.sqlite_path()
    require_ours(path)
    size = copy(path, file, replace=replace)
    click.echo(msgspec.json.encode({"file": str(file), "bytes": size}) if output == "json" else f"{file}: {_size(size)}")


@store.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--quick", is_flag=True, help="Do not hold indexes against their tables: a fraction of the time.")
@output_option
@config_option
def check_store(file: Path | None, output: str, *, quick: bool) -> int:
    """Read the whole store, or the backup FILE, and say whether it is undamaged. Ends with 1 when it is not."""
    report = check(file or required_settings()[1].store.sqlite_path(), quick=quick)
    if output == "json":
        click.echo(msgspec.json.encode(_json(report)))
    else:
        _show(report, is_configured=file is None)
    return EXIT_DAMAGED if report.problems else 0


@store.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@output_option
@config_option
def stats(file: Path | None, output: str) -> None:
    """Show how many rows and bytes each table of the store has, or of the backup FILE, the largest first."""
    found = sizes(file or required_settings()[1].store.sqlite_path())
    room = None if math.isinf(found.free_bytes) else int(found.free_bytes)
    if output == "json":
        tables = {name: {"rows": each.rows, "bytes": each.bytes} for name, each in found.tables.items()}
        told = {"files": found.files, "reusable_bytes": found.reusable_bytes, "free_bytes": room, "tables": tables}
        click.echo(msgspec.json.encode({"path": str(found.path), **told}))
        return
    show_table(("TABLE", "rows", "bytes"), [(name, each.rows, _size(each.bytes)) for name, each in found.tables.items()])
    database, log = (_size(found.files[file]) for file in ("database", "log"))
    left = f"; {_size(room)} are free beside it" if room is not None else ""
    click.echo(f"{found.path}: {database}, {_size(found.reusable_bytes)} of it to be used again, and a log of {log}{left}")


def _show(report: Report, *, is_configured: bool) -> None:
    click.echo(f"{report.path}: {_size(report.bytes)}, tables {report.revision}")
    show_columns([(table, str(count)) for table, count in report.rows.items() if count is not None])
    if not report.problems:
        click.echo("undamaged")
        return
    if not is_configured and not report.may_be_ours:
        click.echo("NO STORE:")
        for line in report.problems:
            click.echo(f"  {line}")
        return
    click.echo("DAMAGED:")
    for line in (*report.problems, *lost(report)):
        click.echo(f"  {line}")
    if not is_configured:
        click.echo("Do not restore a backup of which anything is lost: take another, or make one with `watcher store backup`.")
        return
    click.echo(
        f"Stop the watcher, then restore a backup; or move {report.path}, its -wal and its -shm away and start anew: the inbox,"
        " what waits and every verdict are lost then, and a sweep has the images judged again."
    )


def _json(report: Report) -> dict[str, object]:
    return {
        "path": str(report.path),
        "bytes": report.bytes,
        "revision": report.revision,
        "undamaged": not report.problems,
        "problems": report.problems,
        "rows": report.rows,
    }


def _size(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 10 * 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GiB"
