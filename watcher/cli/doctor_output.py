"""What `watcher doctor` prints: at a terminal a block for each area with a line for each step; else a record or JSON a step."""

import json
import re
import textwrap
from collections import Counter

import click
from rich.console import Console
from rich.text import Text

from watcher.cli.doctor_areas import Area
from watcher.cli.terminal import console, is_terminal, show_record
from watcher.kit.checkup import Checkup, Found, Result
from watcher.kit.printable import printable

STYLES = {Result.OK: "green", Result.WARNING: "bold yellow", Result.FAILED: "bold red", Result.SKIPPED: "dim"}
# The longest of each, so that the columns of all blocks stand under one another.
RESULT_WIDTH = max(len(result) for result in Result)
NAME_WIDTH = len("subscription")
INDENT = 2 + RESULT_WIDTH + 2 + NAME_WIDTH + 2
# A whole digest fills a line, and a person knows it by its beginning; JSON has all of it.
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
# Of a terminal that is narrower than that nobody expects columns.
LEAST_WIDTH = 20


class Report:
    """Shows areas as they come, and counts."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._counted: Counter[Result] = Counter()

    @property
    def failed(self) -> bool:
        return self._counted[Result.FAILED] > 0

    def show(self, area: Area, checkup: Checkup) -> None:
        self._counted.update(step.found.result for step in checkup.steps)
        if self._as_json:
            for step in checkup.steps:
                found = step.found
                line = {"area": area.kind, "name": area.name, "step": step.name, "result": found.result.value}
                click.echo(json.dumps({**line, "detail": found.detail, "advice": found.advice}))
            return
        if not is_terminal():
            for step in checkup.steps:
                found = step.found
                fields = (found.result.value, area.kind, area.name, step.name, found.detail, found.advice)
                show_record(fields, style=STYLES[found.result])
            return
        shown = console()
        title = Text(f"{area.kind} {printable(area.name)}", "bold")
        shown.print(title + Text(f"  {printable(area.about)}", "dim") if area.about else title)
        for step in checkup.steps:
            shows = Text().append(f"  {step.found.result:<{RESULT_WIDTH}}  ", STYLES[step.found.result])
            shows.append(f"{printable(step.name):<{NAME_WIDTH}}  ")
            for number, said in enumerate(_said(step.found, shown)):
                shows.append(f"\n{' ' * INDENT}" if number else "").append(said)
            shown.print(shows, soft_wrap=True)

    def end(self) -> None:
        if not self._as_json:
            counted = [f"{self._counted[result]} {result.value}" for result in Result if self._counted[result]]
            click.echo(", ".join(counted))


def _said(found: Found, shown: Console) -> list[str]:
    """Lines that fit; advice under what it is about."""
    detail = _DIGEST.sub(r"\1…", printable(found.detail))
    advice = f"→ {printable(found.advice)}" if found.advice else ""
    width = max(shown.width - INDENT, LEAST_WIDTH)
    return [*textwrap.wrap(detail, width), *textwrap.wrap(advice, width, subsequent_indent="  ")]
