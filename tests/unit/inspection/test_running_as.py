"""Who a container runs as: the cases are what moby/sys/user 0.4 and 0.5 and containerd 2 answer, but for what is said otherwise."""

import pytest

from watcher.inspection.image.running_as import MAX_LINE, needs_files, started_as

PASSWD = b"""root:x:0:0:root:/root:/bin/bash
# comment:x:1:1:::
+nis:x:2:2:::
app:x:1000:1000:App:/srv/app:/usr/sbin/nologin
app:x:0:0:second:/:/bin/sh
toor:x:0:0::/root:
short:x:5:5
1234:x:77:77::/:/bin/sh
broken:x:many:1:::
"""
GROUP = b"root:x:0:\nwww-data:x:33:app\nwww-data:x:34:\nbad:x:-1:\n#staff:x:50:\n  indented:x:51:\nbare\n"


@pytest.mark.parametrize(
    ("user", "uid"),
    [
        ("", 0),
        ("root", 0),
        ("app", 1000),
        ("toor", 0),
        ("1000", 1000),
        ("4711", 4711),
        ("007", 7),
        ("1234", 1234),
        ("app:www-data", 1000),
        ("app:", 1000),
        ("0:33", 0),
        (":33", 0),
        ("nobody", None),
        ("app:nogroup", None),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("9" * 50, None),
        ("-1", None),
        ("ap\udcffp", None),
        ("+0", 0),
        ("-0", 0),
        ("00", 0),
        ("+1000", 1000),
        (" 0", None),
        ("0x0", None),
        ("0_0", None),
        ("\u0660", None),
        ("+", None),
        ("Root", None),
        ("broken", 0),
        ("+nis", 2),
        ("# comment", 1),
        ("app:bad", 1000),
        ("app:bare", 1000),
        ("app:indented", 1000),
        ("app:#staff", None),
        ("1000:nogroup", None),
        (":", 0),
        ("0:0:0", 0),
        ("root:root:x", 0),
        ("app:root:x", None),
    ],
)
def test_the_user_of_a_configuration(user: str, uid: int | None) -> None:
    """A number is a uid whoever is called so; what no runtime would start has no uid."""
    assert started_as(user, PASSWD, GROUP) == uid


@pytest.mark.parametrize(
    ("line", "uid"),
    [
        (b"app", 0),
        (b"app:", 0),
        (b"app:x", 0),
        (b"app:x:", 0),
        (b"app:x:1", 1),
        (b"app:x:+7:", 7),
        (b"app:x:-0", 0),
        (b"app:x:none:1::/:/bin/sh", 0),
        (b"app:x:1000 :1", 0),
        (b"app:x:1e3:1", 0),
        (b"app:x:0x3e8:1", 0),
        (b" \t app:x:1000", 1000),
        (b"app:x:1000\r", 1000),
        (b"app:x:1000\xc2\xa0", 1000),
        (b"\xe3\x80\x80app:x:1000", 1000),
        (b"app:x:1000\x1c", 0),
        (b"app:x:2147483647", 2147483647),
        (b"app:x:2147483648", None),
        (b"app:x:4294967295", None),
        (b"app:x:-1", None),
        (b"app:x:4294967296", 0),
        (b"app:x:-4294967296", 0),
        (b"app:x:8589934592", 0),
        (b"app:x:4294968296", 1000),
        (b"app:x:9223372036854775807", None),
        (b"app:x:99999999999999999999999", None),
        (b"app:x:-99999999999999999999999", 0),
        (b"app:x:9223372036854775808z", 0),
        (b"app:x:99999999999999999999999z", None),
        (b"app :x:1000", None),
        (b"app\0:x:1000", None),
        (b"\xef\xbb\xbfapp:x:1000", None),
        (b"apple:x:0", None),
        (b"zed:x:1\napp:x:2\napp:x:0", 2),
    ],
)
def test_every_line_is_an_entry(line: bytes, uid: int | None) -> None:
    """A field that is missing or no number is 0, which is root; a number is cut to 32 bits, which is root as well."""
    assert started_as("app", line, None) == uid
    assert started_as("app", b"other:x:5:5\r\n\n" + line + b"\n", None) == uid


@pytest.mark.parametrize("name", ["#app", "+", "+app", "-", "-app", "+@group", "a b", "Ä", "\ufffd"])
def test_a_mark_is_a_name_like_any_other(name: str) -> None:
    """Comments and NIS marks are such to the C library only."""
    assert started_as(name, name.encode() + b"::::::", None) == 0
    assert started_as(name, name.encode() + b":x:1000:1000", None) == 1000


def test_numbers_that_older_releases_cut_are_root_where_that_makes_them_0() -> None:
    """CVE-2024-40635 of containerd; what else they come to is not told."""
    for user in ("4294967296", "-4294967296", "8589934592:1000", "0:4294967296"):
        assert started_as(user, PASSWD, GROUP) == 0
    assert started_as("4294968296", PASSWD, GROUP) is None
    assert started_as("1000:4294967296", PASSWD, GROUP) is None


def test_a_number_beyond_64_bits_was_a_name_once() -> None:
    """moby/sys/user 0.4 starts it; whom else it could be is not told."""
    number = "9" * 30
    assert started_as(number, number.encode(), None) == 0
    assert started_as(number, number.encode() + b":x:5:5", None) is None


def test_a_passwd_with_an_endless_line_is_read_by_nobody() -> None:
    """bufio.Scanner refuses the file; a number needs none."""
    padding = b"a:x:1:1:" + b"y" * (MAX_LINE - 8)
    assert started_as("app", padding + b"\napp:x:1000", None) == 1000
    assert started_as("app", b"app:x:1000\n" + padding + b"y", None) is None
    assert started_as("1000", padding + b"y", None) == 1000


def test_without_passwd_only_numbers_are_known() -> None:
    """An image from scratch."""
    assert started_as("65532", None, None) == 65532
    assert started_as("65532:65532", None, None) == 65532
    assert started_as("nonroot", None, None) is None
    assert started_as("root", b"", None) is None
    assert started_as("65532:nonroot", None, None) is None


def test_a_line_of_spaces_costs_no_more_than_its_length() -> None:
    """Wherever it is trimmed."""
    assert started_as("app", b"x" + b" \xc2\xa0" * 20_000 + b"\xff\napp", None) == 0


def test_names_need_the_files_and_numbers_do_not() -> None:
    """Of user and group alike."""
    assert [needs_files(user) for user in ("", "0", "+5:-0", ":", "7:", "app", "7:app", ":app", "ap\udcff")] == [False] * 5 + [
        True
    ] * 4


@pytest.mark.parametrize("name", ["2147483648", "4294967295", "-1", "9223372036854775807"])
@pytest.mark.parametrize(("uid", "started"), [("0", 0), ("", 0), ("4294967296", 0), ("1000", None)])
def test_a_number_out_of_bounds_is_a_name_to_some(name: str, uid: str, started: int | None) -> None:
    """To containerd since 1.7.27 and 2.0.4: an image starts as root there that no other runtime starts."""
    assert started_as(name, f"{name}:x:{uid}".encode(), b"") == started
    assert started_as(name, b"", b"") is None
    assert needs_files(name)
