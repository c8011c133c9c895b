"""Evaluating one compiled expression, where an error is a value: never true, never false."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cel_expr_python import cel

from watcher.evaluation.rules.compile import Program, Rule
from watcher.model.moments import iso

MAX_REASON = 200
# A message is read by people and carried in 64 KiB messages.
MAX_TEXT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An expression could not be evaluated, and why."""

    reason: str


Truth = bool | Failure


def truth(program: Program, activation: Any) -> Truth:
    """The value of a boolean expression.

    The library gives errors of evaluation as values whose text would be truthy; an exhausted budget and memory as exceptions.
    """
    try:
        result = program.expression.eval(activation)
    except (RuntimeError, MemoryError) as error:
        return Failure(reason=_reason(str(error)))
    value = result.value()
    if value is True or value is False:
        return bool(value)
    if result.type() == cel.Type.ERROR:
        return Failure(reason=_reason(str(value)))
    return Failure(reason="the expression gave neither true nor false")


def decision(rule: Rule, activation: Any) -> Truth:
    """`when && !unless`, each error absorbed by a value that decides without it."""
    when = truth(rule.when, activation)
    if when is False or rule.unless is None:
        return when
    return overruled(when, truth(rule.unless, activation))


def overruled(when: Truth, unless: Truth) -> Truth:
    if when is False or unless is True:
        return False
    if isinstance(when, Failure):
        return when
    return unless if isinstance(unless, Failure) else True


def text(program: Program, activation: Any) -> str | Failure:
    """The value of an expression as a message shows it."""
    try:
        result = program.expression.eval(activation)
    except (RuntimeError, MemoryError) as error:
        return Failure(reason=_reason(str(error)))
    if result.type() == cel.Type.ERROR:
        return Failure(reason=_reason(str(result.value())))
    return _shown(result.plain_value())


def message_of(rule: Rule, activation: Any) -> str:
    """A finding stands even when part of its message cannot be said: that part is `?`."""
    parts = [part if isinstance(part, str) else text(part, activation) for part in rule.message]
    joined = "".join("?" if isinstance(part, Failure) else part for part in parts)
    return joined if len(joined) <= MAX_TEXT else joined[: MAX_TEXT - 1] + "…"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(item) for item in value)
    return str(value)


def _reason(report: str) -> str:
    """The library's report on one line, without its own status words."""
    line = report.splitlines()[0] if report else "no reason given"
    if line == "std::bad_alloc":
        return "it needs more memory than there is"
    for noise in ("INVALID_ARGUMENT: ", "UNKNOWN: ", "INTERNAL: ", "OUT_OF_RANGE: ", "NOT_FOUND: "):
        line = line.removeprefix(noise)
    return line.partition(" [")[0][:MAX_REASON]
