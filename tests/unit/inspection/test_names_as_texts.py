r"""Names of files as texts: bytes that are no UTF-8 are written as `\xNN`, and no name as another."""

import tarfile

from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.image_sources import gzipped
from tests.unit.inspection.test_layer_reader import facts_of
from watcher.inspection.confined.tar_fields import text, texts
from watcher.inspection.image.merge import merge

names = st.lists(st.sampled_from([b"\\", b"x", b"5", b"c", b"e", b"9", b"\xe9", b"\xc3\xa9", b"/", b"\\x5c", b"\\xe9"])).map(
    b"".join
)


def layer(*members: tuple[bytes, int]) -> bytes:
    raw = b""
    for name, mode in members:
        member = tarfile.TarInfo(name.decode("latin-1"))
        member.mode = mode
        raw += member.tobuf(tarfile.GNU_FORMAT, "latin-1")
    return gzipped(raw + bytes(1024))


@given(names, names)
def test_no_two_names_are_the_same_text(one: bytes, other: bytes) -> None:
    """Nor does one have another directory or a name of its own that is a whiteout."""
    assert (text(one) == text(other)) == (one == other)
    assert text(one).split("/") == [text(part) for part in one.split(b"/")]


@given(st.lists(names | st.binary(max_size=5)))
def test_many_names_are_the_texts_that_each_is(several: list[bytes]) -> None:
    """Wherever a character is cut off, and with a NUL in one as well."""
    assert texts(several) == [text(each) for each in several]


def test_what_systemd_escapes_stays_as_it_is() -> None:
    """Only what looks like a byte that is no UTF-8 is written in another way."""
    assert text(rb"system-systemd\x2dcryptsetup.slice") == r"system-systemd\x2dcryptsetup.slice"
    assert (text(rb"\xe9"), text(rb"\xE9"), text(b"\xe9"), text(rb"\x5c")) == (r"\x5cxe9", r"\xE9", r"\xe9", r"\x5cx5c")


def test_a_name_in_hex_hides_no_file() -> None:
    """Neither as a later file of the layer, nor as a whiteout or a file in the place of its directory."""
    for above in (
        layer((rb"b\xe9/su", 0o644)),
        layer((rb"b\xe9/.wh.su", 0o644)),
        layer((rb"b\xe9", 0o644)),
        layer((rb".wh.b\xe9", 0)),
    ):
        files = merge([facts_of(layer((b"b\xe9/su", 0o4755))), facts_of(above)]).files
        assert (files.path[-1], files.mode[-1]) == (r"b\xe9/su", 0o4755)
