"""Programs and libraries that nobody packaged, by what they are called and the version that is a text in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

import hyperscan

from watcher.inspection.catalogers.native_programs_table import PROGRAMS, Program
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.inspection.expressions import compiled
from watcher.model.inventory import PackageRecord

# What the longest pattern reaches over, before and behind the text that it is found by.
_BEFORE_BYTES = 1200
_BEHIND_BYTES = 1200
_KEPT_BYTES = _BEFORE_BYTES + _BEHIND_BYTES

TYPE = "generic"

_PLACEHOLDERS = (
    ("<0>", r"\x00"),
    ("<2-3>", r"[0-9]{1,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?"),
    ("<2-4>", r"[0-9]{1,4}\.[0-9]{1,4}(?:\.[0-9]{1,4}){0,2}"),
    ("<mysql>", r"[0-9]{1,2}(?:\.[0-9]{1,4}){0,2}(?:(?:alpha|beta|rc)[0-9])?"),
    ("<2>", r"[0-9]{1,4}\.[0-9]{1,4}"),
    ("<3>", r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}"),
)
# Between the version and a text that is near it.
_GAP = re.compile(r"\.\{[0-9,]+\}\??")
_VERSION = re.compile(r"(?<!\\)\((?!\?)")
# Repetitions that hyperscan takes long to compile with an end, and no time without.
_ENDLESS = ((re.compile(r"(\\x00)\{1,[0-9]+\}"), r"\1+"), (re.compile(r"(\[\^\\x00\])\{1,[0-9]+\}"), r"\1+"))
# Of versions near which something else must be as many are looked at, in one piece and in all.
_MAX_VERSIONS_OF_PIECE = 16
_MAX_VERSIONS = 1024

# Programs that are texts or archives.
NAMES = frozenset(
    name.encode()
    for name in (
        *("application.ini", "composer", "composer.phar", "elixir", "elixir.app"),
        *("liberts_internal.a", "wp", "wp-cli.phar"),
    )
)

_NUMBER = re.compile(r"[0-9]+\.[0-9]+")
_WILD = re.compile(r"[*?]|\[.+\]")


def _by_name() -> tuple[dict[str, tuple[Program, ...]], tuple[tuple[re.Pattern[str], Program], ...]]:
    exact: dict[str, tuple[Program, ...]] = {}
    others = []
    for program in PROGRAMS:
        for name in program.files:
            if _WILD.search(name):
                others.append((re.compile(translate(name)), program))
            else:
                exact[name] = (*exact.get(name, ()), program)
    return exact, tuple(others)


_EXACT, _OTHERS = _by_name()
# With one of these the names begin that are of _OTHERS.
_BEGINNINGS = tuple(sorted({name[:3] for program in PROGRAMS for name in program.files if _WILD.search(name)}))


def programs_called(path: str) -> tuple[Program, ...]:
    """Those that a file of this path may be, the likelier ones first."""
    name = path.rpartition("/")[2]
    found = _EXACT.get(name, ())
    if name.startswith(_BEGINNINGS):
        found += tuple(program for pattern, program in _OTHERS if pattern.match(name))
    return tuple(program for program in found if program.path in f"/{path}")


@dataclass(frozen=True, slots=True)
class _Patterns:
    """One database that says where each may be, and each for itself, which says what is in its parentheses."""

    database: hyperscan.Database
    each: tuple[re.Pattern[bytes], ...]


@lru_cache(maxsize=256)
def _compiled(texts: tuple[str, ...]) -> _Patterns:
    """Takes some milliseconds when the first such file comes by, which are not spent on images that have none."""
    searched = []
    for number, text in enumerate(texts):
        # Of a pattern with a gap, with which hyperscan takes a tenth of a second, it looks for the part that has the version.
        parts = _GAP.split(text)
        expression = next(part for part in parts if _VERSION.search(part))
        for repetition, endless in _ENDLESS:
            expression = repetition.sub(endless, expression)
        flags = hyperscan.HS_FLAG_DOTALL | (hyperscan.HS_FLAG_SINGLEMATCH if len(parts) == 1 else 0)
        searched.append((number, expression.encode("latin-1"), flags))
    database = compiled(hyperscan.HS_MODE_BLOCK, searched)
    return _Patterns(database, tuple(re.compile(text.encode("latin-1"), re.DOTALL) for text in texts))


class ProgramSearch:
    """The versions of `programs` in one file, fed as it comes by."""

    def __init__(self, path: str, programs: tuple[Program, ...]) -> None:
        number = _NUMBER.search(path.rpartition("/")[2])
        self._wanted = [(program, _patterns(program, number[0] if number else "")) for program in programs]
        self._texts = tuple(dict.fromkeys(text for _, texts in self._wanted for text in texts if text))
        # What needs nothing has it.
        self._found = {"": ""}
        self._looked = [0] * len(self._texts)
        self._last = b""

    def feed(self, piece: bytes) -> None:
        data = self._last + piece
        self._look(data, len(data) - _BEHIND_BYTES)
        self._last = data[-_KEPT_BYTES:]

    def records(self) -> Iterator[PackageRecord]:
        """What the file is, once it was fed."""
        self._look(self._last, len(self._last))
        told = False
        for program, (needs, *versions) in self._wanted:
            version = next((self._found[text] for text in versions if text in self._found), "")
            if version and needs in self._found and (program.besides or not told):
                told = told or not program.besides
                yield _record(program, version)

    def _look(self, data: bytes, end: int) -> None:
        """Take what ends up to `end`. What is not yet known to end there is looked for again when more is there."""
        if not self._texts:
            return
        patterns = _compiled(self._texts)
        hits: list[tuple[int, int]] = []
        left = [_MAX_VERSIONS_OF_PIECE] * len(self._texts)

        def matched(number: int, _begin: int, stop: int, _flags: int, _context: object) -> None:
            if stop <= end and left[number]:
                left[number] -= 1
                hits.append((number, stop))

        patterns.database.scan(data, match_event_handler=matched)
        for number, stop in hits:
            text = self._texts[number]
            if text not in self._found and self._looked[number] < _MAX_VERSIONS:
                self._looked[number] += 1
                match = patterns.each[number].search(data, max(0, stop - _BEFORE_BYTES), stop + _BEHIND_BYTES)
                if match is not None:
                    self._found[text] = bounded(match[1])


def _patterns(program: Program, number: str) -> tuple[str, ...]:
    """That of what it needs, and those of its versions. `number` is what the file's name says."""
    texts = [program.needs and f"({re.escape(program.needs)})"]
    for text in program.versions:
        if "<named>" in text and not number:
            continue
        expanded = text.replace("<named>", re.escape(number))
        for placeholder, pattern in _PLACEHOLDERS:
            expanded = expanded.replace(placeholder, pattern)
        texts.append(expanded)
    return tuple(texts)


def _record(program: Program, version: str) -> PackageRecord:
    return PackageRecord(
        type=TYPE,
        name=program.name,
        version=version,
        source=program.name,
        source_version=version,
        purl=package_url(TYPE, program.name, version, namespace=program.namespace),
    )
