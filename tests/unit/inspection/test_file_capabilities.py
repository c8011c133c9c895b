"""Capabilities of files: from the attribute in a layer to the image, and to those who read it."""

import io
import tarfile
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.image_sources import entry, gzipped
from tests.doubles.inventories import an_inventory
from tests.unit.inspection.test_kept_texts import LIMITS
from tests.unit.inspection.test_layer_reader import facts, facts_of, problems
from watcher.inspection.confined.capabilities import capabilities_of
from watcher.inspection.image.merge import merge
from watcher.inspection.workers.collector import Collector
from watcher.inspection.workers.messages import Capabilities, Done
from watcher.model.digest import digest_of
from watcher.model.errors import WorkerFailedError
from watcher.model.inspection_json import inspection_json
from watcher.model.inventory import FileTable, LayerFacts

NET_RAW = pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
ADMIN = pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0)


def layer(*members: tuple[str, bytes | None] | tarfile.TarInfo, record: str = "SCHILY.xattr.security.capability") -> LayerFacts:
    """Files, each with its attribute; what is no pair is as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each in members:
            member = each if isinstance(each, tarfile.TarInfo) else tarfile.TarInfo(each[0])
            if not isinstance(each, tarfile.TarInfo) and each[1] is not None:
                member.pax_headers = {record: each[1].decode("utf-8", "surrogateescape")}
            archive.addfile(member)
    return facts_of(gzipped(buffer.getvalue()))


def linked(path: str, target: str, capabilities: bytes = b"") -> tarfile.TarInfo:
    member = entry(path, tarfile.LNKTYPE, target, 0o644)
    member.pax_headers = {"SCHILY.xattr.security.capability": capabilities.decode("utf-8", "surrogateescape")}
    return member


def capable(files: FileTable) -> dict[str, str]:
    return {files.path[row]: text for row, text in files.capabilities.items()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NET_RAW, "cap_net_raw=ep"),
        (pack("<IIIII", 0x02000000, 1 << 13, 0, 0, 0), "cap_net_raw=p"),
        (pack("<IIIII", 0x02000001, 0x3000, 0x3001, 0, 0), "cap_chown=ei cap_net_admin,cap_net_raw=eip"),
        (pack("<IIIII", 0x02000001, 0, 0, 1 << 6 | 1 << 7 | 1 << 9, 0), "cap_perfmon,cap_bpf,41=ep"),
        (pack("<IIII", 0x01000001, 1 << 10, 0, 0)[:12], "cap_net_bind_service=ep"),
        (pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, 0), "cap_net_bind_service=ep"),
        (pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, 1000), "cap_net_bind_service=ep [rootid=1000]"),
        (pack("<IIIII", 0x02000001, 0, 0, 0, 0), ""),
        (pack("<IIIIII", 0x03000001, 0, 0, 0, 0, 1000), ""),
        (NET_RAW[:-1], None),
        (NET_RAW + b"\0", None),
        (pack("<IIIII", 0x04000001, 1, 0, 0, 0), None),
        (b"", None),
    ],
)
def test_an_attribute_is_read_as_getcap_writes_it(value: bytes, expected: str | None) -> None:
    """In all three revisions; what the kernel refuses is none."""
    assert capabilities_of(value) == expected


@given(st.binary(max_size=30))
def test_any_bytes_are_a_text_or_none(value: bytes) -> None:
    """Of bounded length."""
    found = capabilities_of(value)
    assert found is None or len(found) < 2048


def test_capabilities_are_of_the_entry_that_has_them() -> None:
    """Not of the next one, nor of what is no file; only in the spelling that runtimes take."""
    directory, odd = tarfile.TarInfo("dir"), tarfile.TarInfo("../up")
    directory.type = tarfile.DIRTYPE
    for each in (directory, odd):
        each.pax_headers = {"SCHILY.xattr.security.capability": NET_RAW.decode("utf-8", "surrogateescape")}
    found = layer(directory, ("a", None), ("bin/ping", NET_RAW), ("b", None), odd, ("c", None))
    assert capable(found.files) == {"bin/ping": "cap_net_raw=ep"}
    assert capable(layer(("bin/ping", NET_RAW), record="LIBARCHIVE.xattr.security.capability").files) == {}


def test_capabilities_that_are_none_leave_the_list_of_files_partial() -> None:
    """Nobody can unpack such a layer, and what it should give is not known."""
    found = layer(("bin/ping", NET_RAW[:7]))
    assert capable(found.files) == {}
    assert problems(found) == [("damaged-capabilities", ("files",), False)]


def test_an_upper_layer_that_replaces_the_file_takes_them_away() -> None:
    """By whatever it puts there."""
    base = layer(("bin/ping", NET_RAW), ("bin/a", NET_RAW), ("bin/b", ADMIN))
    top = facts(("bin/ping", b""), ("bin/.wh.a", b""))
    assert capable(merge([base, top]).files) == {"bin/b": "cap_sys_admin=ep"}
    assert capable(layer(("bin/a", NET_RAW), ("bin/a", None)).files) == {}


def test_all_names_of_a_file_have_its_capabilities() -> None:
    """Whichever entry says them; where entries differ, those of all."""
    base = layer(("bin/ping", NET_RAW), linked("bin/ping4", "bin/ping"), linked("bin/ping6", "bin/ping", NET_RAW))
    merged = merge([base])
    assert capable(merged.files) == dict.fromkeys(("bin/ping", "bin/ping4", "bin/ping6"), "cap_net_raw=ep")
    assert merged.disputed_modes == {}
    merged = merge([base, layer(linked("sbin/other", "bin/ping", ADMIN))])
    assert {*capable(merged.files).values()} == {"cap_net_raw=ep cap_sys_admin=ep"}
    assert (len(merged.files.capabilities), [*merged.disputed_modes]) == (4, ["sbin/other"])
    late = merge([facts(("bin/a", b""), entry("bin/b", tarfile.LNKTYPE, "bin/a")), layer(linked("bin/c", "bin/b", ADMIN))])
    assert capable(late.files) == dict.fromkeys(("bin/a", "bin/b", "bin/c"), "cap_sys_admin=ep")


def test_a_file_with_capabilities_is_notable() -> None:
    """As one with a set-id bit is; nobody hides them."""
    files = merge([layer(("bin/ping", NET_RAW), ("bin/a", None))]).files
    (notable,) = inspection_json(an_inventory(files=files))["files"]["notable"]
    assert (notable["path"], notable["mode"], notable["capabilities"]) == ("bin/ping", "0644", "cap_net_raw=ep")


@pytest.mark.parametrize(("row", "text"), [(0, "x"), (-1, "x"), (0, "x" * 3000)])
def test_a_worker_cannot_give_capabilities_to_nothing(row: int, text: str) -> None:
    """Nor more than there are."""
    collector = Collector(LIMITS)
    with pytest.raises(WorkerFailedError, match="capabilities"):
        collector.add(Capabilities(row=row, text=text))
        collector.add(Done(compressed_bytes=1, plain_bytes=1))
        collector.facts(digest_of(b""), ())
