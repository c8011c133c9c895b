"""A page of the documentation done as its reader does it: files written, commands typed, what they print compared."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

# Until what is printed is what the page says: verdicts come a moment after a push. It only ends what would hang.
PATIENCE_SECONDS = 30.0
_FILE = re.compile(r"^<!-- file (?P<name>\S+) -->\n```\w+\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "-- done --"


@dataclass(frozen=True, slots=True)
class Written:
    """The reader writes a file."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The reader types a command; `shown` is what the page shows below it, `…` for what may be anything."""

    command: str
    shown: str


def steps(page: str) -> Iterator[Written | Typed]:
    """What a page has its reader do, in order: files marked by `<!-- file NAME -->`, and blocks of `console`."""
    found = sorted([*_FILE.finditer(page), *_CONSOLE.finditer(page)], key=re.Match.start)
    for match in found:
        if match.re is _FILE:
            yield Written(match["name"], match["content"])
        else:
            for part in re.split(r"^\$ ", match["lines"], flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                yield Typed(command, shown)


@dataclass(slots=True)
class Reader:
    """Does what pages say, in `folder`. `says` are whole words of the page that mean something else here, as ports."""

    folder: Path
    environment: Mapping[str, str]
    says: dict[str, str] = field(default_factory=dict)
    _shell: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._shell is not None
        os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.communicate(timeout=PATIENCE_SECONDS)

    def does(self, step: Written | Typed) -> None:
        """Raises AssertionError where something else is printed than the page shows, however often it is tried."""
        if isinstance(step, Written):
            path = self.folder / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._here(step.content))
            return
        command, shown = self._here(step.command), _pattern(self._here(step.shown))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not shown.fullmatch(printed := self.prints(command)):
            assert time.monotonic() < deadline, f"$ {command}\n{printed}\n--- the page shows:\n{step.shown}"
            time.sleep(0.2)

    def prints(self, command: str) -> str:
        """What both streams have, without spaces and empty lines at the ends."""
        assert self._shell is not None
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\necho; echo '{_END}'\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        while (line := self._shell.stdout.readline().rstrip()) != _END:
            assert self._shell.poll() is None, "the shell ended"
            lines.append(line)
        return "\n".join(lines).rstrip() + "\n"

    def _here(self, text: str) -> str:
        for word, meaning in self.says.items():
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", meaning, text)
        return text


def _pattern(shown: str) -> re.Pattern[str]:
    """A line of `…` alone is any number of lines; elsewhere `…` is anything in its line."""
    pattern = ""
    for line in shown.splitlines():
        pattern += r"(?:.*\n)*?" if line == "…" else re.escape(line.rstrip()).replace("…", ".*") + r"\n"
    return re.compile(pattern if shown else r"\s*")
