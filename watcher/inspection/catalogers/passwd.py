"""Users of an image: the lines of its /etc/passwd that libc would take. Who it runs as is image/running_as.py's to say.

Spec: passwd(5).
"""

from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import User

# (uid_t)-1 and what is above means "nobody" or "unchanged" to some system call.
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


def _number(text: bytes) -> int | None:
    """A decimal id within bounds. Ten digits at most: beyond that it is out of bounds, whatever it says."""
    if not text.isdigit() or len(text) > 10:
        return None
    number = int(text)
    return number if number <= MAX_ID else None
