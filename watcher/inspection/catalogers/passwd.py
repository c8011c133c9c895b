"""Users and groups of an image, and which of them its configuration means.

Spec: passwd(5), group(5); OCI image-spec v1.1 "Image Configuration", `User`; resolved as runc's `user` package does.
"""

from collections.abc import Mapping, Sequence

from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import User

# The only ones a runtime asks, before anything of the image runs.
USERS_PATH = "etc/passwd"
GROUPS_PATH = "etc/group"

# The largest uid a runtime takes; (uid_t)-1 and what is above means "nobody" or "unchanged" to some system call.
MAX_ID = 2**31 - 1

# A system with more local users than this has them in a directory service; 1 MiB could hold 100 000 empty ones.
MAX_ENTRIES = 10_000


def parse_passwd(content: bytes) -> tuple[User, ...]:
    """The users in order. Lines that are no entry, NIS marks (`+`) among them, are passed over, as libc does."""
    users: list[User] = []
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) < 4 or line.startswith((b"#", b"+", b"-")) or len(users) >= MAX_ENTRIES:
            continue
        uid, gid = _number(fields[2]), _number(fields[3])
        if fields[0] and uid is not None and gid is not None:
            home, shell = (bounded(fields[index]) if len(fields) > index else "" for index in (5, 6))
            users.append(User(name=bounded(fields[0]), uid=uid, gid=gid, home=home, shell=shell))
    return tuple(users)


def parse_group(content: bytes) -> dict[str, int]:
    """Group ids by name; of two groups of one name the first counts."""
    groups: dict[str, int] = {}
    for line in content.split(b"\n"):
        fields = line.split(b":")
        if len(fields) >= 3 and fields[0] and len(groups) < MAX_ENTRIES and (gid := _number(fields[2])) is not None:
            groups.setdefault(bounded(fields[0]), gid)
    return groups


def resolve_user(user: str, users: Sequence[User], groups: Mapping[str, int]) -> int | None:
    """The uid that `User` of a configuration means: `name`, `uid`, `name:group` or `uid:gid`; empty means root, 0.

    A number is always a uid, also where somebody is called so. None when no runtime would start it as it stands: a name that the
    image does not know, a number beyond MAX_ID, a group that it does not know.
    """
    name, colon, group = user.partition(":")
    if colon and group and _number(group.encode("utf-8", "replace")) is None and group not in groups:
        return None
    if not name:
        return 0
    uid = _number(name.encode("utf-8", "replace"))
    if uid is not None:
        return uid
    if name.isascii() and name.isdigit():
        return None
    return next((entry.uid for entry in users if entry.name == name), None)


def _number(text: bytes) -> int | None:
    """A decimal id within bounds. Ten digits at most: beyond that it is out of bounds, whatever it says."""
    if not text.isdigit() or len(text) > 10:
        return None
    number = int(text)
    return number if number <= MAX_ID else None
