"""Gems of Ruby: the specification that is left of each that is installed, a program of Ruby that is read and never run.

Spec: RubyGems lib/rubygems/specification.rb (`to_ruby_for_cache`) and stub_specification.rb; `%q` is how RubyGems 1.x wrote texts.
"""

import re
from collections.abc import Iterator
from io import BytesIO

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, PartlyReadError, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import PackageDatabase, PackageRecord

# The largest of Debian's has 12 KB; old versions of RubyGems kept the list of all files in it.
MAX_BYTES = 2 * 1024 * 1024

# As many licences as anyone lists.
MAX_VALUES = 16

# Most lines of a long specification are a dependency each, or one list of files that is not read.
MAX_LINE = 16 * 1024

# What a statement gives to a field of the specification, whatever its block calls that; several may be on a line.
_STATEMENT = re.compile(
    rb"(?:^|[\s;(])[a-z_]\w{0,40}\.(name|version|platform|licenses?|authors?)\s{0,40}=\s{0,40}"
    rb"(?:Gem::Version\.new[\s(]{1,8})?(?=([\"'%\[]))"
)
_TEXT = re.compile(
    rb"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|%[qQ]?(?:<([^>]*)>|\{([^}]*)\}|\(([^)]*)\)|\[([^\]]*)\]|([!|/])(.*?)\7)",
    re.DOTALL,
)
_WORDS = re.compile(rb"%[wW](?:<([^>]*)>|\{([^}]*)\}|\(([^)]*)\)|\[([^\]]*)\])")
_ESCAPE = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL)

# `# stub: NAME VERSION PLATFORM PATHS`: what RubyGems itself reads, without running the rest.
_STUB = re.compile(rb"# stub: (\S+) (\S+)(?: (\S+))?")
# What RubyGems calls the file: `full_name`.
_WRITTEN = re.compile(r"/([A-Za-z0-9][\w.-]*?)-([0-9]+(?:\.[0-9A-Za-z]+)*)(?:-([A-Za-z][\w.-]*))?\.gemspec$")

_OPEN = re.compile(rb"\[\s{0,40}")
_NEXT = re.compile(rb"(?:\.freeze)?\s{0,40},\s{0,40}")

# A specification gives each field its value once.
MAX_STATEMENTS = 500

_NO_VALUES: tuple[bytes, ...] = ()


class GemCataloger:
    """`specifications/**/*.gemspec`, anywhere: Ruby's own and every GEM_HOME; not the `.gemspec` in the source of a gem."""

    type = "gem"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(directories=frozenset({b"specifications"}), suffixes=frozenset({b".gemspec"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.endswith(".gemspec") and "/specifications/" in f"/{path}"

    def read(self, path: str, content: bytes) -> Facts:
        fields, stub = _fields(path, content)
        written = _WRITTEN.search(f"/{path}")
        of_name = tuple((each or "").encode() for each in written.groups()) if written else (b"", b"", b"")
        name, version, platform = (
            bounded(_one(fields.get(field, _NO_VALUES)) or stub[number] or of_name[number])
            for number, field in enumerate((b"name", b"version", b"platform"))
        )
        if not name or not version:
            raise DamagedDatabaseError(f"{path}: no name and version of a gem")
        record = PackageRecord(
            type=self.type,
            name=name,
            version=version,
            source=name,
            source_version=version,
            licenses=_texts(fields.get(b"license", _NO_VALUES)),
            maintainer="".join(_texts(fields.get(b"author", _NO_VALUES))[:1]),
            purl=package_url(self.type, name, version, qualifiers={"platform": "" if platform == "ruby" else platform}),
        )
        facts = (PackageDatabase(path=path, type=self.type, packages=(record,)),)
        if stub[0] and (bounded(stub[0]), bounded(stub[1])) != (name, version):
            raise PartlyReadError(f"{path}: more than one name or version of {name!r}", facts)
        return facts


def _fields(path: str, content: bytes) -> tuple[dict[bytes, tuple[bytes, ...]], tuple[bytes, bytes, bytes]]:
    """What is given to each field at last, as in Ruby; and the name, version and platform of the stub."""
    fields: dict[bytes, tuple[bytes, ...]] = {}
    stub = (b"", b"", b"")
    statements = 0
    for line in BytesIO(content):
        stripped = line.lstrip()
        if stripped.startswith(b"#"):
            if (match := _STUB.match(stripped[:MAX_LINE])) is not None and not stub[0]:
                stub = (match[1], match[2], match[3] or b"")
        elif b"=" in stripped:
            for statement in _STATEMENT.finditer(stripped[:MAX_LINE]):
                statements += 1
                if statements > MAX_STATEMENTS:
                    raise DamagedDatabaseError(f"{path}: more than {MAX_STATEMENTS} values of a gem's fields")
                if values := tuple(_values(stripped[:MAX_LINE], statement.end())):
                    fields[statement[1].removesuffix(b"s")] = values
    return fields, stub


def _values(line: bytes, at: int) -> Iterator[bytes]:
    """The texts of the value that begins here: one, or those of a list."""
    if (words := _WORDS.match(line, at)) is not None:
        yield from next(each for each in words.groups() if each is not None).split()[:MAX_VALUES]
        return
    opened = _OPEN.match(line, at)
    at = opened.end() if opened else at
    for _ in range(MAX_VALUES if opened else 1):
        match = _TEXT.match(line, at)
        if match is None:
            return
        yield _plain(match)
        following = _NEXT.match(line, match.end())
        if following is None:
            return
        at = following.end()


def _plain(match: re.Match[bytes]) -> bytes:
    """The text of a literal, its escapes read; what is put together when it is run stays as it is."""
    double, single, *others = match.groups()
    if double is not None:
        return _ESCAPE.sub(_unescaped, double)
    if single is not None:
        return single.replace(b"\\'", b"'").replace(b"\\\\", b"\\")
    return others[5] if others[4] else next((each for each in others[:4] if each is not None), b"")


def _unescaped(match: re.Match[bytes]) -> bytes:
    number = match[1] or match[2]
    if number is None:
        return {b"n": b"\n", b"t": b"\t"}.get(match[3], match[3])
    code = int(number, 16)
    return chr(code).encode("utf-8", "replace") if code <= 0x10FFFF else b"?"


def _one(values: tuple[bytes, ...]) -> bytes:
    """The text that is given, unless it is put together when it is run."""
    return b"" if not values or b"#{" in values[0] else values[0]


def _texts(values: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(bounded, values))))
