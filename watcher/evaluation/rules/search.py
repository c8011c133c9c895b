"""Which items satisfy a rule: the only loops whose length an image's author chooses."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from google.protobuf.message import Message

from watcher.evaluation.document.files import FileRows
from watcher.evaluation.rules.compile import Program, Rule
from watcher.evaluation.rules.expressions import Failure, Truth, decision, truth
from watcher.kit.glob import glob_expression

# One by one an element costs 6.4 µs, in lists of 64 to 128 it costs 1.6 to 1.9; beyond that it grows again.
CHUNK_ITEMS = 64
# Types of files that have a content, or lead to one.
_WITH_CONTENT = frozenset({"file", "symlink"})

Activate = Callable[[dict[str, Any]], Any]
"""Makes the activation that holds the given items and whatever else the rule reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`hits` are the numbers of the items that satisfy a rule, in order. Of `undecided` items `reason` says why one is."""

    hits: Sequence[int]
    undecided: int = 0
    reason: str = ""


def search_items(rule: Rule, activations: Sequence[Any]) -> Found:
    """Ask about each item; `activations` hold one each."""
    hits: list[int] = []
    failures: list[Failure] = []
    for number, activation in enumerate(activations):
        result = decision(rule, activation)
        if result is True:
            hits.append(number)
        elif isinstance(result, Failure):
            failures.append(result)
    return Found(hits=hits, undecided=len(failures), reason=failures[0].reason if failures else "")


def search_files(rule: Rule, files: FileRows, activate: Activate) -> Found:
    """The rows of `files` that satisfy a rule. Rows that are equal in what the rule reads share one answer."""
    rows: Sequence[int] = range(len(files))
    if rule.document.path is not None:
        matches = re.compile(glob_expression(rule.document.path), re.DOTALL).match
        rows = [row for row, path in enumerate(files.paths()) if matches(path) is not None]
    unkept = 0
    for name in sorted(rule.kept):
        asked: list[tuple[int, Any]] = [(row, files.message(row)) for row in rows]
        rows = [row for row, message in asked if message.HasField(name)]
        # A directory has no content that could have been kept, nor has a device.
        unkept += sum(1 for _, message in asked if not message.HasField(name) and message.type in _WITH_CONTENT)
    when = _Question(rule=rule, program=rule.when, search=rule.search, fields=rule.fields, files=files, activate=activate)
    answers = when.ask(rows)
    if rule.unless is not None and answers:
        # Only what `when` did not rule out is asked about `unless`, which often reads the path and so has no equals.
        unless = _Question(
            rule=rule,
            program=rule.unless,
            search=rule.unless_search,
            fields=rule.unless_fields,
            files=files,
            activate=activate,
        )
        exempt = unless.ask(sorted(answers))
        for row, answer in exempt.items():
            if answer is True:
                del answers[row]
            elif answers[row] is True:
                answers[row] = answer
    hits = [row for row, answer in sorted(answers.items()) if answer is True]
    failures = [answer for answer in answers.values() if isinstance(answer, Failure)]
    reason = failures[0].reason if failures else ""
    if unkept:
        reason = f"{' and '.join(sorted(rule.kept))} of files is not kept"
    return Found(hits=hits, undecided=len(failures) + unkept, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    rule: Rule
    program: Program
    search: Program | None
    fields: frozenset[str] | None
    files: FileRows
    activate: Activate

    def ask(self, rows: Sequence[int]) -> dict[int, Truth]:
        """Every row whose answer is not false, with that answer."""
        classes = self.files.classes(rows, self.fields)
        examples = dict(zip(classes, rows, strict=True))
        answers = {value: answer for value, answer in self._answers(examples.items()) if answer is not False}
        if not answers:
            return {}
        return {row: answers[value] for row, value in zip(rows, classes, strict=True) if value in answers}

    def _answers(self, examples: Iterable[tuple[Any, int]]) -> Iterator[tuple[Any, Truth]]:
        remaining = iter(examples)
        while chunk := list(islice(remaining, CHUNK_ITEMS)):
            items = [self.files.message(row) for _, row in chunk]
            if self.search is not None and len(items) > 1 and truth(self.search, self.activate({"chunk": items})) is False:
                continue
            # One of them satisfies it, or errs, or the list was too much for the budget of one evaluation.
            for (value, _), item in zip(chunk, items, strict=True):
                yield value, truth(self.program, self._one(item))

    def _one(self, item: Message) -> Any:
        return self.activate({self.rule.variable: item})
