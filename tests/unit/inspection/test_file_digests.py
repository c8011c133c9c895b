"""Digests of files: of what is there once unpacked, of those that were asked for, and never a wrong one."""

import io
import tarfile
from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest

from tests.doubles.image_sources import LIMITS, MemoryImages, entry, gzipped, tar_of
from tests.doubles.inventories import an_inventory
from tests.unit.inspection.test_file_contents import SEARCH
from tests.unit.inspection.test_layer_reader import sparse
from watcher.inspection.cache import MemoryLayerCache
from watcher.inspection.confined.content_digests import TOGETHER
from watcher.inspection.confined.decompress import Input
from watcher.inspection.confined.layer_reader import LayerReader
from watcher.inspection.file_digests import FileDigests
from watcher.inspection.image.merge import merged_files
from watcher.inspection.layer_queue import LayerQueue
from watcher.inspection.layers import LayerInspection
from watcher.inspection.makers import Makers
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import MAX_MESSAGE_BYTES, Digests, Done, Message, encoded
from watcher.inspection.workers.zygote import Zygote
from watcher.model.digest import digest_of
from watcher.model.errors import WorkerFailedError
from watcher.model.inspection_json import MAX_NOTABLE_FILES, inspection_json
from watcher.model.inventory import FileTable, LayerFacts

STATUS = "var/lib/dpkg/status"
PACKAGE = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"


def layer(*files: tuple[str, bytes, int] | tarfile.TarInfo, digests: FileDigests = "all", cut: int = 0) -> LayerFacts:
    """What a worker makes of an archive of these files, without the last `cut` bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each in files:
            if isinstance(each, tarfile.TarInfo):
                archive.addfile(each, io.BytesIO(b"x" * each.size))
                continue
            member = tarfile.TarInfo(each[0])
            member.size, member.mode = len(each[1]), each[2]
            archive.addfile(member, io.BytesIO(each[1]))
    raw = buffer.getvalue()
    return read(raw[: len(raw) - cut], digests)


def read(raw: bytes, digests: FileDigests = "all") -> LayerFacts:
    messages: list[Message] = []
    limits = msgspec.structs.replace(LIMITS, file_digests=digests)
    LayerReader(limits=limits, search=SEARCH, emit=messages.append).read(Input(io.BytesIO(gzipped(raw)).read))
    assert all(len(encoded(each)) <= MAX_MESSAGE_BYTES for each in messages)
    collector = Collector(limits)
    for each in messages:
        collector.add(each)
    return collector.facts(digest_of(raw), ())


def link(path: str) -> tarfile.TarInfo:
    return entry(path, tarfile.SYMTYPE, "elsewhere")


def hashed(files: FileTable) -> dict[str, str]:
    return {files.path[row]: digest.hex() for row, digest in files.sha256.items()}


def expected(**contents: bytes) -> dict[str, str]:
    return {path: sha256(content).hexdigest() for path, content in contents.items()}


def test_files_are_hashed_as_they_come_by() -> None:
    """A large one in pieces, an empty one too; what is no regular file has no content."""
    large = bytes(range(256)) * 20_000
    found = layer(
        ("a", b"one", 0o644), ("empty", b"", 0o600), ("large", large, 0o755), ("z", b"last", 0), entry("link", tarfile.SYMTYPE, "a")
    )
    assert hashed(found.files) == expected(a=b"one", empty=b"", large=large, z=b"last")


@pytest.mark.parametrize(("digests", "paths"), [("none", set()), ("executables", {"b", "c"}), ("all", {"a", "b", "c", "d"})])
def test_those_are_hashed_that_were_asked_for(digests: FileDigests, paths: set[str]) -> None:
    """An executable is what anybody may run, whatever is in it."""
    found = layer(("a", b"1", 0o644), ("b", b"2", 0o700), ("c", b"3", 0o641), ("d", b"4", 0o4644), digests=digests)
    assert hashed(found.files).keys() == paths


def test_what_somebody_reads_is_hashed_beside_it() -> None:
    """At once, as a package database and a kept text are; as it comes by, as a program is; nothing of it is read otherwise."""
    program = b"\x7fELF\2\1" + bytes(10) + b"\2\0" + bytes(3_000_000)
    files = (
        (STATUS, PACKAGE, 0o644),
        ("etc/profile", b"umask 022\n", 0o644),
        ("bin/tool", program, 0o755),
        ("lib/x.jar", b"PK", 0o644),
    )
    found, without = layer(*files), layer(*files, digests="none")
    assert hashed(found.files) == {path: sha256(content).hexdigest() for path, content, _ in files}
    assert replace(found, files=replace(found.files, sha256={})) == without
    assert [each.path for each in found.databases] == [STATUS]
    assert (found.programs, found.files.content) == (("bin/tool",), {1: "umask 022\n"})


def test_digests_are_of_their_entries_however_many_there_are() -> None:
    """They are told in lists, as entries are."""
    count = 2 * TOGETHER + 3
    found = layer(
        *((f"f{number}", b"%d" % number, 0o644 if number % 3 else 0o755) for number in range(count)), digests="executables"
    )
    assert hashed(found.files) == {f"f{number}": sha256(b"%d" % number).hexdigest() for number in range(0, count, 3)}


def test_a_file_that_is_replaced_has_the_digest_of_the_last() -> None:
    """Or none, if that is not hashed."""
    found = layer(("a", b"1", 0o755), ("a", b"2", 0o755), ("b", b"3", 0o755), ("b", b"4", 0o644), digests="executables")
    assert hashed(found.files) == expected(a=b"2")
    assert hashed(layer(("a", b"1", 0o755), link("a"), digests="executables").files).keys() <= {"a"}
    assert hashed(merged_files([layer(("a", b"1", 0o755), link("a"))])) == {}


def test_hard_links_share_the_digest_of_their_file() -> None:
    """In whichever layer that is."""
    base = layer(("a", b"1", 0o755), entry("b", tarfile.LNKTYPE, "a", 0o755))
    top = layer(entry("c", tarfile.LNKTYPE, "a", 0o755), ("a", b"2", 0o755))
    assert hashed(merged_files([base])) == expected(a=b"1", b=b"1")
    assert hashed(merged_files([base, top])) == expected(a=b"2", b=b"1", c=b"1")
    assert hashed(merged_files([base, layer(("a", b"2", 0o644), digests="executables")])) == expected(b=b"1")


def test_a_sparse_file_has_the_digest_of_what_is_unpacked_or_none() -> None:
    """Holes are zeros; it is put together only where somebody reads it."""
    raw = sparse("srv/disk", (4, b"xx"), (9, b"y")) + sparse("etc/profile", (4, b"xx"), (9, b"y")) + bytes(1024)
    assert hashed(read(raw).files) == {"etc/profile": sha256(bytes(4) + b"xx" + bytes(3) + b"y").hexdigest()}


def test_a_file_that_ends_early_has_no_digest() -> None:
    """Those before it do."""
    found = layer(("a", b"1", 0o755), ("b", bytes(50_000), 0o755), cut=30_000)
    assert hashed(found.files) == expected(a=b"1")
    assert [each.reason for each in found.problems] == ["damaged-tar"]


async def test_another_setting_reads_only_layers_with_other_files_to_hash() -> None:
    """In a confined worker; of digests that nobody asks for any more none is wrong, so that nothing is read for them."""
    images, cache, read_again = MemoryImages(), MemoryLayerCache(), []
    names = ("text", "tool")
    files = (entry("text", tarfile.REGTYPE, mode=0o644), entry("tool", tarfile.REGTYPE, mode=0o755))
    described = [images.add_layer(gzipped(tar_of(each))) for each in files]
    settings: tuple[FileDigests, ...] = ("none", "executables", "executables", "all", "none")
    async with Zygote(b"salt") as zygote:
        for digests in settings:
            limits = msgspec.structs.replace(LIMITS, file_digests=digests)
            layers = LayerInspection(
                zygote=zygote, cache=cache, queue=LayerQueue(2), counted=lambda _: None, makers=Makers(file_digests=digests)
            )
            known = [await layers.facts(images, each, limits, lambda _: 30.0) for each in described]
            read_again.append([name for name, each in zip(names, known, strict=True) if not each.cached])
            if digests == "all":
                assert [hashed(each.facts.files) for each in known] == [expected(text=b""), expected(tool=b"")]
    assert read_again == [["text", "tool"], ["tool"], [], ["text"], []]


def test_facts_name_what_was_hashed() -> None:
    """Nothing is added where nothing is."""
    assert Makers(file_digests="none") == Makers()
    assert {*Makers(file_digests="all").names} - {*Makers().names} == {"file-digests/all"}


def test_digests_are_shown_by_path() -> None:
    """As many as of notable files; the rest is counted."""
    files = merged_files([layer(("bin/a", b"1", 0o755), ("b", b"2", 0o644), digests="executables")])
    assert inspection_json(an_inventory(files=files))["files"]["sha256"] == {"bin/a": sha256(b"1").hexdigest()}
    count = MAX_NOTABLE_FILES + 7
    one = FileTable(path=["a"], kind=["f"], mode=[0], uid=[0], gid=[0], size=[0], link=[""], layer=[0], sha256={0: bytes(32)})
    many = FileTable.joined([one] * count)
    shown = inspection_json(an_inventory(files=many))["files"]
    assert shown["sha256_omitted"] == 7


@pytest.mark.parametrize(
    ("digests", "message", "lie"),
    [
        ("none", Digests(rows=[0], sha256=bytes(32)), "nobody asked for"),
        ("all", Digests(rows=[0], sha256=bytes(31)), "malformed"),
        ("all", Digests(rows=[0], sha256=bytes(32)), "of nothing"),
        ("all", Digests(rows=[-1], sha256=bytes(32)), "of nothing"),
        ("all", Digests(rows=[*range(100_001)], sha256=bytes(32 * 100_001)), "too many"),
    ],
)
def test_a_worker_cannot_say_more_digests_than_there_are_files(digests: FileDigests, message: Digests, lie: str) -> None:
    """Nor any that nobody asked for."""
    collector = Collector(msgspec.structs.replace(LIMITS, file_digests=digests))
    with pytest.raises(WorkerFailedError, match=lie):
        collector.add(message)
        collector.add(Done(compressed_bytes=1, plain_bytes=1))
        collector.facts(digest_of(b""), ())
