"""Which files of a layer are read, by whom, and whether at once or as they come by."""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.doubles.image_sources import LIMITS, entry, gzipped, tar_of
from watcher.inspection.catalogers.native import NativeCataloger
from watcher.inspection.catalogers.npm import NpmCataloger
from watcher.inspection.catalogers.protocol import AnyCataloger, DamagedDatabaseError, Facts, Selection
from watcher.inspection.confined.decompress import Input
from watcher.inspection.confined.layer_reader import LayerReader, Search
from watcher.inspection.secrets.rules import SecretRules
from watcher.inspection.workers.messages import Alias, Database, Forgotten, Message, Problems, Programs
from watcher.model.inventory import PackageDatabase, PackageRecord

RULES = SecretRules.load(b"salt")
SEARCH = Search.of(RULES)


@dataclass
class Measured:
    """Says how many bytes it was fed, and in the largest of how many."""

    path: str
    sizes: list[int] = field(default_factory=list)
    damaged: bool = False

    def feed(self, piece: bytes) -> None:
        self.sizes.append(len(piece))
        if piece.startswith(b"#!damaged"):
            raise DamagedDatabaseError(f"{self.path}: damaged")

    def facts(self) -> Facts:
        record = PackageRecord(type="generic", name=str(sum(self.sizes)), version=str(len(self.sizes)))
        return (PackageDatabase(path=self.path, type="stream", packages=(record,)),)


class Stream:
    """Reads scripts, whatever they are called, and everything called package.json."""

    type = "stream"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(names=frozenset({b"package.json"}), suffixes=frozenset({b".jar"}), heads=frozenset({b"#!"}))

    def wants(self, path: str, size: int) -> bool:
        return size < 50_000_000

    def begin(self, path: str, size: int) -> Measured:
        return Measured(path)


def read(*members: tuple[str, bytes] | tarfile.TarInfo, by: Iterable[AnyCataloger] = (Stream(),)) -> list[Message]:
    messages: list[Message] = []
    raw = gzipped(tar_of(*members))
    LayerReader(limits=LIMITS, search=SEARCH, emit=messages.append, catalogers=tuple(by)).read(Input(io.BytesIO(raw).read))
    return messages


def databases(messages: list[Message]) -> list[tuple[str, str, str]]:
    return [(each.path, each.type, each.packages[0].name) for each in messages if isinstance(each, Database)]


def problems(messages: list[Message]) -> list[str]:
    return [problem.reason for each in messages if isinstance(each, Problems) for problem in each.problems]


def test_a_file_is_selected_by_its_suffix_or_by_how_it_begins() -> None:
    """Wherever it lies, and whatever else it is called; an empty file begins with nothing."""
    found = read(("a/x.jar", b"PK"), ("bin/tool", b"#!/bin/sh"), ("empty", b""), ("#!", b""), ("text", b"# !"), ("x.jars", b"P"))
    assert databases(found) == [("a/x.jar", "stream", "2"), ("bin/tool", "stream", "9")]


def test_a_large_file_comes_in_pieces_and_is_not_joined() -> None:
    """The archive is unpacked piece by piece, and so is what is read of it."""
    found = read(("before", b"x"), ("bin/tool", b"#!" + bytes(20_000_000)), ("after/x.jar", b"PK"))
    assert databases(found) == [("bin/tool", "stream", "20000002"), ("after/x.jar", "stream", "2")]
    (pieces,) = (int(each.packages[0].version) for each in found if isinstance(each, Database) and each.path == "bin/tool")
    assert pieces > 10


def test_two_catalogers_read_one_file() -> None:
    """One at once, the other as it comes by; both say what they found."""
    content = b'{"name": "left-pad", "version": "1.3.0"}'
    found = read(("node_modules/left-pad/package.json", content), by=(NpmCataloger(), Stream()))
    path = "node_modules/left-pad/package.json"
    assert databases(found) == [(path, "npm", "left-pad"), (path, "stream", str(len(content)))]


def test_a_damaged_file_is_a_problem_and_the_next_is_read() -> None:
    """What a reading raises while it is fed concerns this file."""
    found = read(("bin/a", b"#!damaged" + bytes(3_000_000)), ("bin/b", b"#!b"))
    assert (databases(found), problems(found)) == ([("bin/b", "stream", "3")], ["damaged-database"])


def test_a_file_beyond_the_budget_is_said() -> None:
    """Nothing of it is read."""
    found = read(("bin/a", b"#!" + bytes(50_000_000)))
    assert (databases(found), problems(found)) == ([], ["database-too-large"])


def test_an_archive_that_ends_within_a_file_says_nothing_of_it() -> None:
    """It cannot be told what the rest would be."""
    messages: list[Message] = []
    raw = tar_of(("bin/a", b"#!" + bytes(5_000_000)))[:-3_000_000]
    LayerReader(limits=LIMITS, search=SEARCH, emit=messages.append, catalogers=(Stream(),)).read(Input(io.BytesIO(raw).read))
    assert (databases(messages), problems(messages)) == ([], ["damaged-tar"])


def test_a_link_to_what_was_read_is_told_and_a_file_that_is_replaced_forgotten() -> None:
    """Whatever the link is called: of such a file the content counts."""
    found = read(("bin/a", b"#!a"), entry("bin/b", tarfile.LNKTYPE, "bin/a"), ("bin/a", b"other"), ("bin/c", b"no"))
    assert [each for each in found if isinstance(each, Alias | Forgotten)] == [
        Alias(path="bin/b", target="bin/a"),
        Forgotten(path="bin/a"),
    ]


def test_executables_that_are_no_libraries_are_told() -> None:
    """With their paths; neither what nobody may run, nor a text, nor a library."""
    program, library = (b"\x7fELF\2\1" + bytes(10) + kind + bytes(99) for kind in (b"\2\0", b"\3\0"))
    files = [("bin/a", program, 0o755), ("bin/b", program, 0o644), ("lib/c.so", library, 0o755), ("bin/d", b"#!/bin/sh\n", 0o755)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content, mode in files:
            member = tarfile.TarInfo(path)
            member.mode, member.size = mode, len(content)
            archive.addfile(member, io.BytesIO(content))
    messages: list[Message] = []
    reader = LayerReader(limits=LIMITS, search=SEARCH, emit=messages.append, catalogers=(NativeCataloger(), Stream()))
    reader.read(Input(io.BytesIO(buffer.getvalue()).read))
    assert [each.paths for each in messages if isinstance(each, Programs)] == [["bin/a"]]
