"""What commands print to, and in which shape: laid out for the eye at a terminal, else one record a line.

A record in a pipe is its fields with a tab between them, whole: nothing is wrapped, padded or cut, so that other programs find it.
"""

import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from watcher.cli.options import is_quiet, is_verbose
from watcher.kit.printable import printable
from watcher.model.verdict import Verdict
from watcher.reports.records import STYLES, verdict_records
from watcher.reports.table import MAX_LISTED, verdict_block
from watcher.reports.vulnerabilities import Vulnerability, vulnerabilities_block, vulnerability_records

if TYPE_CHECKING:
    from rich.progress import Progress

# Wider than any line: a pipe has no edge, and what stands on one line can be searched and cut by other programs.
_ENDLESS = 100_000
# `sha256:` and twelve digits: by these a person knows a digest.
SHORT_DIGEST = 19


def is_terminal(*, stderr: bool = False) -> bool:
    """Whether a person looks at it. FORCE_COLOR and its like give colours to a pipe, and make no terminal of it."""
    stream = sys.stderr if stderr else sys.stdout
    return stream is not None and stream.isatty()


def shows_progress() -> bool:
    """Whether a person sees what goes on: at a terminal that can take lines back, where neither quiet nor a log was asked for."""
    return is_terminal(stderr=True) and console(stderr=True).is_interactive and not (is_quiet() or is_verbose())


def console(*, stderr: bool = False) -> Console:
    """As wide as the terminal, and endless where there is none; colours as NO_COLOR, FORCE_COLOR and TERM say."""
    return Console(stderr=stderr, highlight=False, width=None if is_terminal(stderr=stderr) else _ENDLESS)


def bars() -> "Progress":
    """Bars on stderr while something goes on: its name, how far it is, `seen` in words, and for how long. They go away again."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[seen]}"), TimeElapsedColumn())
    return Progress(*columns, console=console(stderr=True), transient=True, disable=not shows_progress())


def short_digest(digest: str) -> str:
    """What of a digest is shown: its beginning to a person, all of it to a program."""
    return digest[:SHORT_DIGEST] if is_terminal() else digest


Cell = str | int | Text
"""A number stands on the right; a Text has a style, and what others wrote is printable in it already."""


def show_table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows of cells under their headings. At a terminal the first column is there to be copied, and never broken."""
    if not is_terminal():
        show_record(headings)
        for row in rows:
            show_record(list(map(str, row)))
        return
    table = Table(box=box.SIMPLE)
    for number, heading in enumerate(headings):
        justify: JustifyMethod = "right" if rows and isinstance(rows[0][number], int) else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=not number)
    for row in rows:
        # Text objects, so that nothing that others wrote is markup.
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(str(cell))) for cell in row))
    console().print(table)


def show_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows that need no headings, such as names and what is said of them."""
    if not is_terminal():
        for row in rows:
            show_record(row)
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        grid.add_row(*(Text(printable(cell), overflow="fold") for cell in row))
    console().print(grid)


def show_record(fields: Sequence[str], *, style: str = "") -> None:
    """Print one line for other programs; `style` is the colour of its first field, where colours are asked for."""
    first, *others = map(printable, fields)
    rest = "".join(f"\t{each}" for each in others).rstrip("\t")
    if not style:
        click.echo(first + rest)
        return
    # Of a text rich would make spaces of the tabs.
    console().print(Segments([Segment(first, Style.parse(style)), Segment(f"{rest}\n")]), end="", crop=False)


def show_verdict(verdict: Verdict, *, name: str | None = None, besides: Collection[str] = ()) -> None:
    """Print a verdict with its findings; `besides` are sections that something beside it rests on."""
    if is_terminal():
        console().print(verdict_block(verdict, name=name, besides=besides))
        return
    for fields in verdict_records(verdict, name=name, besides=besides):
        show_record(fields, style=STYLES.get(fields[0], ""))


def show_vulnerabilities(found: Sequence[Vulnerability]) -> None:
    """Print those of an image, below its verdict: the worst to a person, all of them to a program."""
    if is_terminal():
        console().print(Padding(vulnerabilities_block(found, most=MAX_LISTED), (0, 0, 0, 2), expand=False))
        return
    for fields in vulnerability_records(found):
        show_record(fields)
