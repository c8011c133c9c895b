"""Which files are of which package of a distribution, as its database says."""

import struct

import pytest

from tests.doubles.cataloging import facts_of
from tests.doubles.rpm_databases import header, sqlite_database
from watcher.inspection.catalogers.alpm_files import AlpmFilesCataloger
from watcher.inspection.catalogers.apk import ApkCataloger
from watcher.inspection.catalogers.dpkg_list import DpkgListCataloger
from watcher.inspection.catalogers.ebuild import EbuildCataloger
from watcher.inspection.catalogers.file_lists import FileLists
from watcher.inspection.catalogers.opkg_list import OpkgListCataloger
from watcher.inspection.catalogers.protocol import AnyCataloger
from watcher.inspection.catalogers.rpm import RpmCataloger
from watcher.model.inventory import FileList

MD5SUMS = b"0" * 32 + b"  usr/bin/x\n" + b"1" * 32 + b"  a\n"


def lists(cataloger: AnyCataloger, path: str, content: bytes) -> dict[str, list[str]]:
    found = [each for each in facts_of(cataloger, path, content) if isinstance(each, FileList)]
    assert all(each.path == path and each.type == cataloger.type for each in found)
    return {each.package: each.files.split("\n") for each in found}


@pytest.mark.parametrize(
    ("path", "content", "found"),
    [
        ("var/lib/dpkg/info/bash.list", b"/.\n/bin\n/bin/bash\n", {"bash": [".", "bin", "bin/bash"]}),
        ("var/lib/dpkg/info/libc6:amd64.list", b"/lib/x86_64-linux-gnu/libc.so.6\n", {"libc6": ["lib/x86_64-linux-gnu/libc.so.6"]}),
        (
            "var/lib/dpkg/status.d/base-files.md5sums",
            MD5SUMS,
            {"base-files": ["usr/bin/x", "a"]},
        ),
        ("var/lib/dpkg/info/x.list", b"/usr/share/doc/x/README\n/usr/bin/x\n/usr/share/man/man1/x.1.gz", {"x": ["usr/bin/x"]}),
        ("var/lib/dpkg/info/x.list", b"/usr/bin/\xff", {"x": ["usr/bin/\\xff"]}),
        ("var/lib/dpkg/info/x.list", b"", {}),
    ],
)
def test_dpkg_has_a_list_a_package(path: str, content: bytes, found: dict[str, list[str]]) -> None:
    """Paths as the list of an image's files has them, without documentation, of which there is most."""
    assert lists(DpkgListCataloger(), path, content) == found


def test_only_lists_of_dpkg_are_read() -> None:
    """A file of that suffix is mostly something else."""
    cataloger = DpkgListCataloger()
    assert not any(cataloger.wants(path, 1) for path in ("etc/apt/sources.list", "info/x.list", "var/lib/dpkg/info/a/b.list"))


@pytest.mark.parametrize(
    ("path", "content", "found"),
    [
        (
            "var/lib/pacman/local/gcc-libs-13.2.1-5/files",
            b"%FILES%\nusr/\nusr/lib/libgcc_s.so.1\n\n%BACKUP%\netc/x.conf\t0123\n",
            {"gcc-libs": ["usr/", "usr/lib/libgcc_s.so.1"]},
        ),
        ("var/lib/pacman/local/a-1-1/files", b"%BACKUP%\netc/x.conf\t0123\n", {}),
        ("var/lib/pacman/local/filesystem-2024.04.07-1/files", b"%FILES%\nbin", {"filesystem": ["bin"]}),
    ],
)
def test_pacman_has_a_list_a_package(path: str, content: bytes, found: dict[str, list[str]]) -> None:
    """Called by the package's directory; configuration files stand in it once more."""
    assert lists(AlpmFilesCataloger(), path, content) == found


def test_opkg_has_a_list_a_package() -> None:
    """What stands behind a path is its mode, and where a link leads."""
    content = b"/usr/sbin/dropbear\t0755\n/usr/bin/ssh\t0777\t../sbin/dropbear\n/etc/init.d/dropbear\n"
    found = lists(OpkgListCataloger(), "usr/lib/opkg/info/dropbear.list", content)
    assert found == {"dropbear": ["usr/sbin/dropbear", "usr/bin/ssh", "etc/init.d/dropbear"]}


def test_portage_lists_files_with_checksums() -> None:
    """Beside directories and links, which bring nothing to run."""
    content = (
        b"dir /usr/bin\nobj /usr/bin/with space 0123abc 1700000000\nsym /usr/bin/sh -> bash 1700000000\nobj /bin/bash 9f 1\nobj x\n"
    )
    found = lists(EbuildCataloger(), "var/db/pkg/app-shells/bash-5.2_p26-r1/CONTENTS", content)
    assert found == {"app-shells/bash": ["usr/bin/with space", "bin/bash"]}


@pytest.mark.parametrize("cataloger", [AlpmFilesCataloger(), OpkgListCataloger()])
def test_only_lists_of_its_own_are_read(cataloger: AnyCataloger) -> None:
    """Files are called so anywhere."""
    others = ("files", "srv/local/a-1-1/files", "var/lib/pacman/sync/a-1-1/files", "etc/a.list", "var/lib/dpkg/info/a.list")
    assert not any(cataloger.wants(path, 1) for path in others)


def test_apk_lists_files_below_directories() -> None:
    """In the same file as its packages."""
    content = (
        b"P:musl\nV:1\nF:lib\nR:ld-musl.so.1\na:0:0:755\nR:libc.so\nF:usr\n\nP:busybox\nV:2\nF:bin\nR:busybox\n\nP:none\nV:3\n\n"
    )
    path = "lib/apk/db/installed"
    assert lists(ApkCataloger(), path, content) == {"musl": ["lib/ld-musl.so.1", "lib/libc.so"], "busybox": ["bin/busybox"]}


def with_files(blob: bytes, indices: tuple[int, ...], names: bytes, folders: bytes, counts: tuple[int, int, int]) -> bytes:
    """The header with rpm's three lists of files behind its other tags."""
    entries, _ = struct.unpack_from(">II", blob)
    index, data = blob[8 : 8 + 16 * entries], blob[8 + 16 * entries :]
    data += bytes(-len(data) % 4)
    for tag, kind, content, count in (
        (1116, 4, struct.pack(f">{len(indices)}I", *indices), counts[0]),
        (1117, 8, names, counts[1]),
        (1118, 8, folders, counts[2]),
    ):
        index += struct.pack(">IIiI", tag, kind, len(data), count)
        data += content
    return struct.pack(">II", entries + 3, len(data)) + index + data


@pytest.mark.parametrize(
    ("indices", "counts", "found"),
    [
        ((0, 1), (2, 2, 2), {"bash": ["usr/bin/bash", "etc/skel"]}),
        ((0, 7), (2, 2, 2), {"bash": ["usr/bin/bash"]}),
        ((0, 1), (2**30, 2, 2), {}),
        ((0, 1), (2, 2, 2**31 - 1), {}),
    ],
)
def test_rpm_lists_files_by_directory(indices: tuple[int, ...], counts: tuple[int, int, int], found: dict[str, list[str]]) -> None:
    """Lists that do not fit each other say nothing, and cost nothing."""
    blob = header(name="bash", version="5", release="1")
    blob = with_files(blob, indices, b"bash\0skel\0", b"/usr/bin/\0/etc/\0", counts)
    assert lists(RpmCataloger(), "var/lib/rpm/rpmdb.sqlite", sqlite_database(blob)) == found


def test_lists_of_one_database_are_bounded() -> None:
    """A few bytes may name one directory a million times."""
    made = FileLists(path="p", type="apk", left=25)
    made.add("a", [b"0123456789"] * 5)
    made.add("b", [b"x"])
    assert [(each.package, each.files.count("\n") + 1) for each in made.lists] == [("a", 2)]
