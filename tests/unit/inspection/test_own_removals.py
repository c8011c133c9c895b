"""What a layer removes of its own, and what steers an overlay: unpackers differ, so the image is not known."""

import tarfile

import pytest

from tests.doubles.image_sources import entry, gzipped, tar_of
from tests.unit.inspection.test_layer_reader import facts, facts_of
from watcher.inspection.problems import MERGED

DIRECTORY, SYMLINK, HARDLINK, CHARACTER = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE


def reasons(*members: tarfile.TarInfo | tuple[str, bytes]) -> list[str]:
    found = facts(*members).problems
    assert all(problem.sections == MERGED and not problem.fatal for problem in found)
    return [problem.reason for problem in found]


@pytest.mark.parametrize(
    "members",
    [
        [("a", b"1"), (".wh.a", b"")],
        [("a/b/c", b"1"), (".wh.a", b"")],
        [("x/../a", b"1"), ("./.wh.a", b"")],
        [("a/b", b"1"), entry("l", SYMLINK, "a"), ("l/.wh.b", b"")],
        [("a/b/c", b"1"), ("a/.wh..wh..opq", b"")],
        [("a/b", b"1"), (".wh..wh..opq", b"")],
        [entry("l", SYMLINK, "a"), ("l/b", b"1"), ("a/.wh..wh..opq", b"")],
        [entry("a/b", DIRECTORY), ("a/b/c", b"1"), (".wh..wh..opq", b"")],
    ],
)
def test_what_comes_before_the_mark_that_removes_it_is_doubtful(members: list[tarfile.TarInfo | tuple[str, bytes]]) -> None:
    """Some unpackers remove it, others cannot unpack it; a directory that no entry names is removed with all that it has."""
    assert reasons(*members) == ["removes-its-own"]


@pytest.mark.parametrize(
    "members",
    [
        [(".wh.a", b""), ("a", b"1")],
        [(".wh.a", b""), ("a/b/c", b"1")],
        [("a/.wh..wh..opq", b""), ("a/b/c", b"1")],
        [entry("a", DIRECTORY), ("a/b", b"1"), ("a/.wh..wh..opq", b"")],
        [entry("a/b", DIRECTORY), ("a/b/c", b"1"), ("a/.wh..wh..opq", b"")],
        [("ab", b"1"), ("b/a", b"1"), (".wh.a", b""), ("c/.wh..wh..opq", b"")],
        [("a", b"1"), entry("b", HARDLINK, "a"), (".wh.c", b"")],
    ],
)
def test_a_mark_concerns_what_was_there_before_its_layer(members: list[tarfile.TarInfo | tuple[str, bytes]]) -> None:
    """As builders write them: the mark first, or of other things."""
    assert reasons(*members) == []


@pytest.mark.parametrize("mark", ["l/.wh..wh..opq", "l/x/.wh.a", "l/.wh.a"])
def test_a_mark_that_comes_before_the_link_it_leads_through_is_doubtful(mark: str) -> None:
    """By then it concerns what a lower layer has there, in the end what the link leads to."""
    assert reasons((mark, b""), entry("l", SYMLINK, "var/lib")) == ["mark-before-link"]
    assert reasons(entry("l", SYMLINK, "usr"), (mark, b""), entry("l", SYMLINK, "var/lib")) == ["mark-before-link"]
    assert reasons(entry("l", SYMLINK, "var/lib"), (mark, b""), entry("k", SYMLINK, "usr")) == []


def test_a_hard_link_to_what_is_removed_is_a_removal_to_an_overlay() -> None:
    """Where a whiteout is a device, of which it becomes another name."""
    assert reasons((".wh.a", b""), entry("etc/p", HARDLINK, "a")) == ["link-to-whiteout"]
    assert reasons(entry("etc/p", HARDLINK, "a"), (".wh.a", b"")) == []


@pytest.mark.parametrize("name", [".wh.", "a/.wh..", "a/.wh..."])
def test_a_whiteout_of_no_name_is_doubtful(name: str) -> None:
    """It removes nothing here, its directory there."""
    assert reasons((name, b"")) == ["odd-whiteout"]


@pytest.mark.parametrize(("major", "minor", "doubtful"), [(0, 0, True), (1, 0, False), (0, 3, False), (1 << 12, 1 << 20, True)])
def test_the_device_0_0_is_a_removal_to_an_overlay(major: int, minor: int, *, doubtful: bool) -> None:
    """By the bits that the kernel keeps; a whiteout of that type is a whiteout to all, and a device of blocks is a device."""
    device = entry("etc/passwd", CHARACTER)
    device.devmajor, device.devminor = major, minor
    raw = tarfile.TarInfo.tobuf(device, tarfile.GNU_FORMAT) + bytes(1024)
    assert [problem.reason for problem in facts_of(gzipped(raw)).problems] == (["null-device"] if doubtful else [])
    assert reasons(entry("etc/.wh.passwd", CHARACTER), entry("dev/sda", tarfile.BLKTYPE)) == []


@pytest.mark.parametrize(
    ("attribute", "doubtful"),
    [
        ("trusted.overlay.redirect", True),
        ("trusted.overlay.opaque", True),
        ("user.overlay.whiteout", True),
        ("user.fuseoverlayfs.origin", True),
        ("user.containers.override_stat", True),
        ("security.capability", False),
        ("user.overlays", False),
    ],
)
def test_an_attribute_that_an_overlay_reads_as_its_own_is_doubtful(attribute: str, *, doubtful: bool) -> None:
    """With `redirect` a directory has what lies in another, which moby unpacks so."""
    member = entry("var/lib/dpkg", DIRECTORY)
    member.pax_headers = {"SCHILY.xattr." + attribute: "/opt"}
    found = facts_of(gzipped(tar_of(member))).problems
    assert [problem.reason for problem in found] == (["overlay-attribute"] if doubtful else [])
