"""The distribution of an image, from the few small files that say it.

Spec: os-release(5).
"""

import re
import shlex
from collections.abc import Mapping

from watcher.inspection.catalogers.stanzas import bounded
from watcher.model.inventory import Distro

OS_RELEASE_PATHS = ("etc/os-release", "usr/lib/os-release")
ALPINE_RELEASE_PATH = "etc/alpine-release"
DEBIAN_VERSION_PATH = "etc/debian_version"

_ASSIGNMENT = re.compile(rb"^[ \t]*([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)

# os-release(5) has some 25 fields; vendors add a handful.
MAX_FIELDS = 256


def distro_of(texts: Mapping[str, bytes]) -> Distro:
    """The distribution, from the merged image's texts by path; unknown when none of them says it.

    /etc/os-release wins over /usr/lib/os-release, as the specification has it. Alpine's and Debian's own version files are
    asked only without both.
    """
    for path in OS_RELEASE_PATHS:
        if path in texts and (distro := parse_os_release(texts[path])).known:
            return distro
    if version := _first_line(texts.get(ALPINE_RELEASE_PATH, b"")):
        return Distro(id="alpine", version=version, name="Alpine Linux", known=True)
    if version := _first_line(texts.get(DEBIAN_VERSION_PATH, b"")):
        # `trixie/sid` is the name of a release to come, not a version that anything could be compared with.
        return Distro(id="debian", version=version if version[0].isdigit() else "", name="Debian GNU/Linux", known=True)
    return Distro()


def parse_os_release(content: bytes) -> Distro:
    """Read os-release; unknown when it has none of its fields. A field that is given twice counts as given last."""
    fields = {match[1]: _unquoted(match[2]) for match, _ in zip(_ASSIGNMENT.finditer(content), range(MAX_FIELDS), strict=False)}
    if not fields.keys() & {b"ID", b"NAME", b"PRETTY_NAME", b"VERSION_ID"}:
        return Distro()
    return Distro(
        id=fields.get(b"ID", "").lower() or "linux",  # the default that the specification gives
        version=fields.get(b"VERSION_ID", ""),
        name=fields.get(b"NAME", "") or fields.get(b"PRETTY_NAME", ""),
        like=tuple(fields.get(b"ID_LIKE", "").lower().split()),
        known=True,
    )


def _unquoted(value: bytes) -> str:
    """A value as a shell would read it: quotes and backslashes taken away, a comment after it dropped."""
    text = bounded(value)
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # an open quote; a shell would read on into the next line, we keep what is there
        return text.strip("\"'")
    return words[0] if words else ""


def _first_line(content: bytes) -> str:
    return bounded(content.partition(b"\n")[0])
