"""Lock files in lines of their own kind: of pip, Go, Bundler, Gradle and Mix.

Spec: pip "Requirements File Format"; go.dev/ref/mod#go-mod-file; Bundler's lockfile_parser.rb; Gradle "Locking dependency
versions"; Mix's `Mix.Dep.Lock`.
"""

import codecs
import re
from collections.abc import Iterator
from io import BytesIO

from watcher.inspection.catalogers.protocol import DamagedDatabaseError

_PINNED = re.compile(r"\s*+([A-Za-z0-9][\w.-]*+)\s*+(?:\[[^\]]*+\])?+\s*+\(?===?\s*+([A-Za-z0-9][\w.!+-]*+)(?!\*)", re.ASCII)
# `replace OLD v1 => NEW v2` has six; a line may have a million.
_MAX_WORDS = 8
_GEM = re.compile(r" {4}([^\s(]++) \(([^\s)-]++)")
_GEM_SECTION = re.compile(rb"^(?:GEM|GIT|PATH|PLATFORMS|DEPENDENCIES)[ \r]*+$", re.MULTILINE)
_GRADLE = re.compile(r"\s*+([^\s:=#]++:[^\s:=]++):([^\s:=]++)=")
_HEX = re.compile(r'\s*+"?[\w-]++"?:? (?:=> )?\{:hex, *+:"?([\w-]++)"?, *+"([^"]++)"')


def requirements(_: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """What one version of is asked for; whatever else stands there pip would choose."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Not by the name of the encoding, which Python would look for in files.
        content = codecs.utf_16_decode(content, "replace", True)[0].encode("utf-8", "replace")
    for line in _lines(content):
        if found := _PINNED.match(line):
            yield "pypi", found[1], found[2]


def go_mod(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """What is required, by what replaces it; not what a directory of the project replaces."""
    required: dict[tuple[str, str], None] = {}
    replaced: dict[tuple[str, str], tuple[str, str]] = {}
    has_name = False
    for verb, *words in _statements(content):
        has_name = has_name or verb == "module"
        if verb == "require" and len(words) == 2:
            required[words[0], words[1]] = None
        elif verb == "replace" and "=>" in words[1:3]:
            old, new = words[: words.index("=>")], words[words.index("=>") + 1 :]
            replaced[old[0], old[1] if len(old) == 2 else ""] = (new[0], new[1]) if len(new) == 2 else ("", "")
    if not has_name:
        raise DamagedDatabaseError(f"{path}: no lock file")
    for each in required:
        yield "golang", *replaced.get(each, replaced.get((each[0], ""), each))


def gemfile_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """Gems of a registry or a repository, once for all platforms."""
    if not _GEM_SECTION.search(content):
        raise DamagedDatabaseError(f"{path}: no lock file")
    is_own = False
    for line in _lines(content):
        if line and line[0] != " ":
            is_own = line.rstrip() not in ("GEM", "GIT", "PLUGIN SOURCE")
        elif not is_own and (found := _GEM.match(line)):
            yield "gem", found[1], found[2]


def gradle_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    if not re.search(rb"^[^#\s][^\r\n=]*+=", content, re.MULTILINE):
        raise DamagedDatabaseError(f"{path}: no lock file")
    for line in _lines(content):
        if found := _GRADLE.match(line):
            yield "maven", found[1], found[2]


def mix_lock(path: str, content: bytes) -> Iterator[tuple[str, str, str]]:
    """Packages of Hex; what is from a repository of git has a commit, and no version."""
    if not content.lstrip().startswith(b"%{"):
        raise DamagedDatabaseError(f"{path}: no lock file")
    for line in _lines(content):
        if found := _HEX.match(line):
            yield "hex", found[1], found[2]


def _lines(content: bytes) -> Iterator[str]:
    return (line.decode("utf-8", "replace") for line in BytesIO(content.removeprefix(b"\xef\xbb\xbf")))


def _statements(content: bytes) -> Iterator[list[str]]:
    """Each line of go.mod in words, within a block with its verb before them; comments are left out."""
    block = ""
    for line in _lines(content):
        words = [word.strip('"`') for word in line.partition("//")[0].split(maxsplit=_MAX_WORDS)]
        if not words:
            continue
        if block and words[0] == ")":
            block = ""
        elif not block and words[1:] == ["("]:
            block = words[0]
        else:
            yield [block, *words] if block else words
