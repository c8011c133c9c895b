"""Linux itself and its modules."""

import struct

import pytest

from tests.doubles.cataloging import database_of, facts_of
from watcher.inspection.catalogers.linux import MAX_KERNEL_BYTES, MAX_MODULE_BYTES, LinuxCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.model.inventory import PackageRecord

cataloger = LinuxCataloger()
MODULE = "usr/lib/modules/5.15.0-1031-aws/kernel/zfs/zzstd.ko"
INFO = {
    b"license": b"Dual BSD/GPL",
    b"version": b"1.4.5a",
    b"author": b"Someone",
    b"name": b"zzstd",
    b"vermagic": b"5.15.0-1031-aws SMP mod_unload",
}


def bz_image(version: bytes) -> bytes:
    """The first sectors of a kernel for x86."""
    content = bytearray(4096)
    content[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", content, 0x20E, 0x600)
    content[0x800 : 0x800 + len(version)] = version
    return bytes(content)


def module(info: dict[bytes, bytes], *, width: int = 64, order: str = "<", section: bytes = b".modinfo") -> bytes:
    """An object file with this section, and one with the names of both behind it."""
    word = "Q" if width == 64 else "I"
    header = 0x40 if width == 64 else 0x34
    values = b"".join(key + b"=" + value + b"\0" for key, value in info.items())
    names = b"\0" + section + b"\0.strtab\0"
    head = b"\x7fELF" + bytes([width // 32, 1 if order == "<" else 2, 1]).ljust(12, b"\0")
    place = header + len(values) + len(names)
    shape = f"{order}II{word}{word}{word}{word}II{word}{word}"
    head += struct.pack(
        f"{order}HHI{word}{word}{word}IHHHHHH", 1, 62, 1, 0, 0, place, 0, header, 0, 0, struct.calcsize(shape), 3, 2
    )
    sections = [
        struct.pack(shape, *([0] * 10)),
        struct.pack(shape, 1, 1, 2, 0, header, len(values), 0, 0, 1, 0),
        struct.pack(shape, len(section) + 2, 3, 0, 0, header + len(values), len(names), 0, 0, 1, 0),
    ]
    return head + values + names + b"".join(sections)


def package(path: str, content: bytes) -> PackageRecord:
    database = database_of(cataloger, path, content)
    assert database is not None
    (found,) = database.packages
    return found


@pytest.mark.parametrize(
    ("path", "content", "version"),
    [
        ("boot/vmlinuz-x", bz_image(b"5.10.121-linuxkit (root@x) #1 SMP Fri"), "5.10.121-linuxkit"),
        ("lib/modules/5.10/vmlinuz", bz_image(b"5.10.121"), "5.10.121"),
        ("boot/vmlinuz-6.1.0-21-arm64", b"\x1f\x8b\x08" + bytes(99), "6.1.0-21-arm64"),
        ("boot/vmlinuz-6.1.0-21-amd64", bz_image(b""), "6.1.0-21-amd64"),
        ("usr/lib/debug/boot/vmlinux-6.1", b"\x7fELF" + bytes(9000) + b"Linux version 6.1.90 (a@b) (gcc", "6.1.90"),
    ],
)
def test_a_kernel_says_which_it_is(path: str, content: bytes, version: str) -> None:
    """Where it is not packed; else its name does."""
    found = package(path, content)
    assert (found.name, found.version, found.purl) == ("linux-kernel", version, f"pkg:generic/linux-kernel@{version}")
    assert package(path, content) == facts_of(cataloger, path, content, piece=100)[0].packages[0]


@pytest.mark.parametrize("path", ["boot/vmlinuz", "boot/vmlinuz-old", "boot/kernel-notes"])
def test_what_does_not_is_not_listed(path: str) -> None:
    """A file that happens to be called so."""
    assert facts_of(cataloger, path, b"no kernel") == ()
    assert facts_of(cataloger, "boot/vmlinuz-6.1", b"") == ()


@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_module_with_a_version_is_listed(width: int, order: str) -> None:
    """Of any machine."""
    assert package(MODULE, module(INFO, width=width, order=order)) == PackageRecord(
        type="generic",
        name="zzstd",
        version="1.4.5a",
        source="zzstd",
        source_version="1.4.5a",
        licenses=("Dual BSD/GPL",),
        maintainer="Someone",
        purl="pkg:generic/zzstd@1.4.5a",
    )


def test_an_older_module_is_called_like_its_file() -> None:
    """Which may have a dash where the kernel has none."""
    content = module({key: value for key, value in INFO.items() if key != b"name"})
    assert package("lib/modules/4/z-std.ko", content).name == "z_std"


def test_a_module_of_the_kernel_itself_is_of_its_version() -> None:
    """It has none of its own."""
    assert facts_of(cataloger, MODULE, module({b"vermagic": b"6.1", b"name": b"ext4"})) == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        module(INFO, section=b".modinfx"),
        module(INFO)[:-20],
        module(INFO).replace(b"ELF\2\1", b"ELF\2\3"),
        module(INFO)[:0x3E] + b"\xff\xff" + module(INFO)[0x40:],
    ],
)
def test_what_is_no_module_in_its_place_is_damaged(content: bytes) -> None:
    """Nobody knows then what would be loaded."""
    with pytest.raises(DamagedDatabaseError):
        facts_of(cataloger, MODULE, content)


def test_limits_are_those_of_each_kind() -> None:
    """A kernel is not kept, a module is."""
    assert cataloger.wants(MODULE, MAX_MODULE_BYTES)
    assert not cataloger.wants(MODULE, MAX_MODULE_BYTES + 1)
    assert cataloger.wants("boot/vmlinuz-6.1", MAX_KERNEL_BYTES)
    assert not cataloger.wants("boot/vmlinuz-6.1", MAX_KERNEL_BYTES + 1)
    assert not cataloger.wants("usr/share/vim/tutor.ko", 100)
    assert not cataloger.wants("boot/initrd.img-6.1", 100)
