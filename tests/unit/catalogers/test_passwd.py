"""Who a container runs as."""

import pytest

from watcher.inspection.catalogers.passwd import parse_group, parse_passwd, resolve_user
from watcher.model.inventory import User

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
GROUP = b"root:x:0:\nwww-data:x:33:app\nwww-data:x:34:\nbad:x:-1:\n"

USERS = parse_passwd(PASSWD)
GROUPS = parse_group(GROUP)


def test_users_in_order() -> None:
    """Comments, NIS marks and lines without numbers are no users; missing last fields are empty."""
    assert [user.name for user in USERS] == ["root", "app", "app", "toor", "short", "1234"]
    assert USERS[1] == User(name="app", uid=1000, gid=1000, home="/srv/app", shell="/usr/sbin/nologin")
    assert USERS[4] == User(name="short", uid=5, gid=5, home="", shell="")


def test_the_first_group_of_a_name_counts() -> None:
    """As in libc."""
    assert GROUPS == {"root": 0, "www-data": 33}


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
    ],
)
def test_the_user_of_a_configuration(user: str, uid: int | None) -> None:
    """A number is a uid whoever is called so; what no runtime would start has no uid."""
    assert resolve_user(user, USERS, GROUPS) == uid


def test_without_passwd_only_numbers_are_known() -> None:
    """An image from scratch."""
    assert resolve_user("65532", (), {}) == 65532
    assert resolve_user("nonroot", (), {}) is None


def test_the_number_of_users_is_bounded() -> None:
    """A megabyte of lines is not a megabyte of users."""
    assert len(parse_passwd(b"a:x:1:1\n" * 100_000)) == 10_000
