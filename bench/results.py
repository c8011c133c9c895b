"""What a bench has measured, in a form that `make bench` makes one table of."""

import json
import os
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Where `python -m bench` collects what each bench says, one JSON object a line.
COLLECTED = "WATCHER_BENCH_RESULTS"
HEAD = ("what", "ours", "against", "ratio", "budget", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One number, what it was held against in the same run, and what it may be at most or must be at least.

    `other` is in the same unit, of `against`: a bound, which does only what nobody can do without, or a peer. The ratio is ours to
    that one; `ratio` is given where it is not that of the two numbers, as a median of rounds. The budget is of the ratio where
    `of_ratio`, else of our number. One without a budget is only shown.
    """

    what: str
    unit: str
    ours: float
    against: str = ""
    other: float | None = None
    ratio: float | None = None
    most: float | None = None
    least: float | None = None
    of_ratio: bool = False

    @classmethod
    def of_rounds(cls, ours: Sequence[float], others: Sequence[float], **rest: Any) -> "Result":
        """The medians of both sides, and that of the ratios of the rounds: a machine that slows down slows both of one round."""
        ratio = statistics.median(mine / other for mine, other in zip(ours, others, strict=True))
        return cls(ours=statistics.median(ours), other=statistics.median(others), ratio=ratio, **rest)

    @property
    def times(self) -> float | None:
        return self.ratio if self.ratio is not None else self.ours / self.other if self.other else None

    @property
    def kept(self) -> bool:
        held = self.times if self.of_ratio else self.ours
        if held is None:
            return False
        return (self.most is None or held <= self.most) and (self.least is None or held >= self.least)

    def columns(self) -> tuple[str, ...]:
        """As HEAD names them."""
        unit = "x" if self.of_ratio else self.unit
        budgets = (f"{sign} {_number(limit, unit)}" for sign, limit in (("≤", self.most), ("≥", self.least)) if limit is not None)
        budget = ", ".join(budgets)
        return (
            self.what,
            _number(self.ours, self.unit),
            self.against if self.other is None else f"{_number(self.other, self.unit)} {self.against}",
            "" if self.times is None else _number(self.times, "x"),
            budget,
            "" if not budget else "kept" if self.kept else "MISSED",
        )


def told(*results: Result) -> int:
    """Print the results of one bench, and hand them on to whoever collects them; its exit code: 1 where a budget was missed."""
    sys.stdout.write("".join(f"{line}\n" for line in table(results)))
    if collected := os.environ.get(COLLECTED):
        with Path(collected).open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(asdict(each))}\n" for each in results)
    return 0 if all(each.kept for each in results) else 1


def collected_from(path: Path) -> list[Result]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Result(**json.loads(line)) for line in lines]


def table(results: Sequence[Result]) -> Iterator[str]:
    """Lines of text, in columns."""
    return aligned([HEAD, *(each.columns() for each in results)])


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def markdown(results: Iterable[Result]) -> Iterator[str]:
    for row in (HEAD, ("---",) * len(HEAD), *(each.columns() for each in results)):
        yield f"| {' | '.join(row)} |"


def _number(value: float, unit: str) -> str:
    """Three digits that count, as people write them."""
    shown = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
    return f"{shown}{unit}" if unit == "x" else f"{shown} {unit}"
