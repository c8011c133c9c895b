"""The users of an image."""

from watcher.inspection.catalogers.passwd import parse_passwd
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

USERS = parse_passwd(PASSWD)


def test_users_in_order() -> None:
    """Comments, NIS marks and lines without numbers are no users; missing last fields are empty."""
    assert [user.name for user in USERS] == ["root", "app", "app", "toor", "short", "1234"]
    assert USERS[1] == User(name="app", uid=1000, gid=1000, home="/srv/app", shell="/usr/sbin/nologin")
    assert USERS[4] == User(name="short", uid=5, gid=5, home="", shell="")


def test_the_number_of_users_is_bounded() -> None:
    """A megabyte of lines is not a megabyte of users."""
    assert len(parse_passwd(b"a:x:1:1\n" * 100_000)) == 10_000
