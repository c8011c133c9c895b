"""Any bytes are a layer, or one with problems: reading it ends, and says so."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, get_args

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.tar_oracle.archives import archive
from watcher.inspection.confined.decompress import Input
from watcher.inspection.confined.layer_reader import LayerReader, Search
from watcher.inspection.image.merge import merge
from watcher.inspection.secrets.rules import SecretRules
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import Done, Limits, Message
from watcher.model.digest import digest_of
from watcher.model.inventory import LayerFacts
from watcher.testing.images import Entry, build_layer

LIMITS = Limits(plain_bytes=1 << 22, files=1000, memory_bytes=1, cpu_seconds=1, file_digests="all")
Packing = Literal["plain", "gzip", "zstd", "xz", "bzip2"]
PACK: dict[Packing, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda plain: gzip.compress(plain, 1, mtime=0),
    "zstd": zstandard.ZstdCompressor(level=1, write_checksum=True).compress,
    "xz": lambda plain: lzma.compress(plain, preset=0),
    "bzip2": lambda plain: bz2.compress(plain, 1),
}
LONG = "d/" * 60 + "file"
SAMPLE = build_layer(
    {
        "etc": Entry(directory=True),
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
        "etc/os-release": Entry(link="../usr/lib/os-release"),
        "var/lib/dpkg/status": b"Package: curl\nStatus: install ok installed\nVersion: 1\n\n",
        "lib/apk/db/installed": b"P:musl\nV:1\n\n",
        LONG: b"x" * 600,
        "app/.wh.gone": b"",
        "app/.wh..wh..opq": b"",
        "app/node_modules/a/package.json": b'{"name":"a","version":"1"}',
        "app/.env": b"ID=AKIAZ7QX4M2NB5RT8WLC\n",
    },
    compression="none",
).raw


@pytest.fixture(scope="module")
def search() -> Search:
    rules = SecretRules.load(b"salt")
    return Search.of(rules)


def read(search: Search, raw: bytes, step: int) -> LayerFacts:
    collector = Collector(LIMITS)
    source = io.BytesIO(raw)
    emitted: list[Message] = []
    LayerReader(limits=LIMITS, search=search, emit=emitted.append).read(Input(lambda count: source.read(min(count, step))))
    for message in emitted:
        collector.add(message)
    assert isinstance(emitted[-1], Done)
    facts = collector.facts(digest_of(raw), ())
    assert facts.compressed_bytes == len(raw)
    merge([facts, facts])
    return facts


def changed(content: bytes, changes: Sequence[tuple[int, bytes]]) -> bytes:
    """With the bytes of each change written over it, or cut there when it has none."""
    for at, new in changes:
        at %= len(content) + 1  # noqa: PLW2901  as far as the content reaches by now
        content = content[:at] + new + content[at + len(new) :] if new else content[:at]
    return content


MAGIC = st.sampled_from([b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"\xfd7zXZ\0", b"BZh"])
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 1 << 16),
        st.one_of(st.binary(max_size=4), st.sampled_from([b"\x80\0\0\0", b"\xff" * 12, b"7" * 11, b"../", b"\0" * 512])),
    ),
    max_size=4,
)
STEPS = st.sampled_from([1, 13, 512, 4096, 1 << 20])


@given(magic=MAGIC, content=st.binary(max_size=2000), step=STEPS)
@settings(max_examples=150)
def test_any_bytes_are_read_to_their_end(search: Search, magic: bytes, content: bytes, step: int) -> None:
    """Whatever a layer is, every byte of it is read, `Done` comes last, and nothing is raised."""
    read(search, magic + content, step)


@given(changes=CHANGES, packing=st.sampled_from(["plain", "gzip", "zstd"]), step=STEPS)
@settings(max_examples=150)
def test_a_tar_that_was_changed_is_read_to_its_end(
    search: Search, changes: list[tuple[int, bytes]], packing: Packing, step: int
) -> None:
    """Damage within the archive becomes a problem or another archive."""
    read(search, PACK[packing](changed(SAMPLE, changes)), step)


@given(changes=CHANGES, block=st.integers(0, len(SAMPLE) // 512 - 1))
@settings(max_examples=150)
def test_a_header_with_other_fields_and_a_right_checksum_is_read_to_its_end(
    search: Search, changes: list[tuple[int, bytes]], block: int
) -> None:
    """A tar made on purpose has valid checksums, whatever its fields say."""
    begin = block * 512
    header = changed(SAMPLE[begin : begin + 512], changes).ljust(512, b"\0")[:512]
    header = header[:148] + b" " * 8 + header[156:]
    header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    read(search, SAMPLE[:begin] + header + SAMPLE[begin + 512 :], 1 << 20)


@given(seed=st.integers(0, 2**64), step=STEPS)
@settings(max_examples=150)
def test_archives_of_every_family_are_read_to_their_end(search: Search, seed: int, step: int) -> None:
    """Long names, pax, sparse files and global headers, in any order, sound and bent."""
    read(search, archive(seed), step)


@given(changes=CHANGES.filter(bool), packing=st.sampled_from(get_args(Packing)), step=STEPS)
@settings(max_examples=150)
def test_a_compressed_layer_that_was_changed_is_read_to_its_end(
    search: Search, changes: list[tuple[int, bytes]], packing: Packing, step: int
) -> None:
    """Damage to the compression becomes a problem; what came before it stands."""
    read(search, changed(PACK[packing](SAMPLE), changes), step)


@given(cuts=st.lists(st.integers(1, len(SAMPLE)), max_size=5), step=STEPS)
@settings(max_examples=100)
def test_how_the_input_is_cut_changes_nothing(search: Search, cuts: list[int], step: int) -> None:
    """Members, frames and reads of any size give the facts of the whole."""
    places = [0, *sorted(cuts), len(SAMPLE)]
    parts = [SAMPLE[low:high] for low, high in pairwise(places)]
    whole = read(search, SAMPLE, 1 << 20)
    packings: tuple[Packing, ...] = ("gzip", "zstd")
    for packing in packings:
        facts = read(search, b"".join(PACK[packing](part) for part in parts), step)
        assert (facts.files, facts.databases, facts.texts, facts.secrets) == (
            whole.files,
            whole.databases,
            whole.texts,
            whole.secrets,
        )
        assert not facts.problems
