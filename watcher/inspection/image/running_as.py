"""Who the first process of a container runs as: USER of the configuration, through the image's own passwd and group. Pure.

Spec: `GetExecUser` of github.com/moby/sys/user, which dockerd, CRI-O and Podman call, and `WithUser` of containerd's package oci;
both read passwd with `ParsePasswdFilter`. They forgive far more than libc: a field that is no number is 0, and every line is an
entry, so that `app`, `#app` and `+app::::` each are users who start as root.
"""

import re

# What a runtime asks, before anything of the image runs.
USERS_PATH = "etc/passwd"
GROUPS_PATH = "etc/group"

# The largest uid that runc takes.
MAX_ID = 2**31 - 1

# bufio.Scanner gives up on the whole file at a longer line.
MAX_LINE = 64 * 1024 - 1

_INT = re.compile(rb"([+-]?)([0-9]+)")
_UINT64 = 2**64
# unicode.IsSpace in UTF-8, which bytes.TrimSpace takes off both ends of a line; the second reads a line from its end.
_LEADING = re.compile(rb"\A(?:[\t-\r ]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)+")
_TRAILING = re.compile(rb"\A(?:[\t-\r ]|[\x85\xa0]\xc2|\x80\x9a\xe1|[\x80-\x8a\xa8\xa9\xaf]\x80\xe2|\x9f\x81\xe2|\x80\x80\xe3)+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def started_as(user: str, passwd: bytes | None, group: bytes | None) -> int | None:
    """The uid that runtimes start `user` with; None when none starts it as it stands, or when it cannot be told.

    `user` is `name`, `uid`, `name:group` or `uid:gid`; empty means root. A number is a uid, whoever is called so. `passwd` and
    `group` are None where the image has no such file. Whatever some runtime starts as uid 0 is 0, though others refuse it.
    """
    name, _, rest = _SURROGATE.sub("\ufffd", user).encode().partition(b":")
    # moby/sys/user before 0.5 passes over what follows a second colon.
    group_name, second_colon, _ = rest.partition(b":")
    gid = _atoi(group_name)
    if group_name and gid is None and not _has_group(group_name, group):
        return None
    uid = _uid(name, passwd)
    # containerd before 1.7.27 and 2.0.4 cut numbers to 32 bits (CVE-2024-40635), others refuse them.
    doubtful = bool(second_colon) or not _in_bounds(gid) or not _in_bounds(_atoi(name))
    return uid if uid == 0 or not doubtful else None


def needs_files(user: str) -> bool:
    """Whether only the image's own files can say who that is."""
    return any(
        part and ((number := _atoi(part)) is None or not _in_bounds(number)) for part in user.encode("utf-8", "replace").split(b":")
    )


def _uid(name: bytes, passwd: bytes | None) -> int | None:
    if not name:
        return 0
    number = _atoi(name)
    # What is no int64 was a name to all of them once, and what runc does not take is one to containerd from those releases on.
    if not _in_bounds(number) and (named := _named(name, passwd)) is not None and named % 2**32 == 0:
        return 0
    if number is None or not -(2**63) <= number < 2**63:
        number = _named(name, passwd)
    if number is None:
        return None
    # As the specification of a container holds it; what is then more than runc takes is nobody's.
    cut = number % 2**32
    return cut if cut <= MAX_ID else None


def _in_bounds(number: int | None) -> bool:
    return number is None or 0 <= number <= MAX_ID


def _has_group(name: bytes, group: bytes | None) -> bool:
    lines = map(_trimmed, (group or b"").split(b"\n"))
    return any(line.partition(b":")[0] == name for line in lines if not line.startswith(b"#"))


def _named(name: bytes, passwd: bytes | None) -> int | None:
    """The number in the first entry of that name; None when there is none, or when runtimes cannot read the file."""
    lines = (passwd or b"").split(b"\n")
    if max(map(len, lines)) > MAX_LINE:
        return None
    for line in map(_trimmed, lines):
        fields = line.split(b":")
        if line and fields[0] == name:
            number = _atoi(fields[2]) if len(fields) > 2 else 0
            return max(-(2**63), min(number or 0, 2**63 - 1))
    return None


def _trimmed(line: bytes) -> bytes:
    return _TRAILING.sub(b"", _LEADING.sub(b"", line)[::-1])[::-1]


def _atoi(text: bytes) -> int | None:
    """strconv.Atoi: a sign and digits. None for what it calls a syntax error; a number too large for it is given as it is.

    It stops at the digit that is too much, so what follows need not be one.
    """
    match = _INT.match(text)
    if match is None:
        return None
    sign, digits = match[1], match[2].lstrip(b"0")
    beyond = len(digits) > 20 or int(digits or b"0") >= _UINT64
    if match.end() < len(text) and not beyond:
        return None
    number = _UINT64 if beyond else int(digits or b"0")
    return -number if sign == b"-" else number
