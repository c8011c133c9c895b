"""The tar walker against Python's own, and against anything at all."""

import io
import tarfile
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from watcher.inspection.confined.decompress import DamagedLayerError, Input, plain_pieces
from watcher.inspection.confined.tar import REGULAR, TarReader
from watcher.inspection.confined.tar_fields import clean_path, decimal, number, pax_records
from watcher.inspection.confined.tar_pieces import DamagedTarError

NAMES = st.lists(st.text(alphabet="abcé.-_ \n", min_size=1, max_size=40), min_size=1, max_size=12).map("/".join)
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
TYPES = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
MEMBERS = st.lists(
    st.tuples(NAMES, TYPES, st.binary(max_size=1500), st.integers(0, 0o7777), st.integers(0, 2**31), NAMES), max_size=8
)


def cut(raw: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        if at < len(raw):
            yield raw[at : at + size]
            at += size
    if at < len(raw):
        yield raw[at:]


@given(MEMBERS, FORMATS, st.lists(st.integers(1, 2000), max_size=20))
def test_it_reads_what_tarfile_writes(members: list[tuple[str, bytes, bytes, int, int, str]], form: int, sizes: list[int]) -> None:
    """Names, types, modes, owners, sizes, targets and content, in any format and however it is cut."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, kind, content, mode, owner, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.gid = kind, mode, owner, owner
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member.linkname = target
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    raw = buffer.getvalue()
    reader = TarReader(cut(raw, sizes))
    found: list[object] = []
    for found_member in reader.members():
        path, number_of_type, owners, size, link, begins, _, read, head = found_member
        if read is not None:
            assert raw[begins : begins + size] == read
            continue
        assert size < 2 or number_of_type != REGULAR or raw[begins : begins + 2] == head
        reader.keep = number_of_type == REGULAR
        found.append((path, bytes([number_of_type]), owners, size, link))
    with tarfile.open(fileobj=io.BytesIO(raw), errorlevel=2) as archive:
        expected = [
            (
                clean_path(each.name.encode("utf-8", "surrogateescape")),
                each.type,
                (each.mode, each.uid, each.gid),
                each.size if each.isreg() else 0,
                each.linkname.encode("utf-8", "surrogateescape") if each.issym() or each.islnk() else b"",
            )
            for each in archive
        ]
    assert found == expected


@given(st.binary(max_size=3000), st.lists(st.integers(1, 700), max_size=10))
def test_any_bytes_are_an_archive_or_damaged(raw: bytes, sizes: list[int]) -> None:
    """No other error, and no member whose content lies outside of the archive's order."""
    _walk(raw, sizes)


@given(st.data())
def test_a_valid_archive_with_any_byte_changed_is_an_archive_or_damaged(data: st.DataObject) -> None:
    """Bit rot and forgery alike: headers, long names, pax records and sparse maps."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=data.draw(FORMATS)) as archive:
        for name in ("short", "l" * 200, "é" * 60):
            member = tarfile.TarInfo(name)
            member.size = 700
            archive.addfile(member, io.BytesIO(bytes(700)))
    raw = bytearray(buffer.getvalue()[:8192])
    for _ in range(data.draw(st.integers(1, 4))):
        block = data.draw(st.integers(0, len(raw) // 512 - 1)) * 512
        raw[block + data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
        # A forger sets the checksum right.
        blank = raw[block : block + 148] + b" " * 8 + raw[block + 156 : block + 512]
        raw[block + 148 : block + 156] = b"%06o\0 " % sum(blank)
    _walk(bytes(raw), [])


def _walk(raw: bytes, sizes: list[int]) -> None:
    reader, last = TarReader(cut(raw, sizes)), 0
    try:
        for path, _, owner, size, _, begins, _, content, _ in reader.members():
            assert begins >= last
            last = begins
            assert size >= 0
            assert min(owner) >= 0
            if path is not None:
                assert not path.startswith(b"/")
                assert b".." not in path.split(b"/")
            reader.keep = content is None and size < 2000
    except DamagedTarError:
        return


@given(st.sampled_from([b"", b"\x1f\x8b\x08\0" + bytes(6), b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"]), st.binary(max_size=600))
def test_any_bytes_unpack_or_are_damaged(magic: bytes, raw: bytes) -> None:
    """Whatever comes after a magic that is right; the input is never read beyond its end."""
    stream = io.BytesIO(magic + raw)
    source = Input(stream.read)
    try:
        for piece in plain_pieces(source):
            assert len(piece) < 2 * 1024 * 1024
    except DamagedLayerError:
        pass
    assert source.taken <= len(magic + raw)


@given(st.binary(max_size=40))
def test_fields_are_numbers_or_none(field: bytes) -> None:
    """No field raises, and no number is negative."""
    for value in (number(field), decimal(field)):
        assert value is None or value >= 0
    records = pax_records(field)
    assert records is None or isinstance(records, dict)
