"""Control files as dpkg writes them and opkg does after it: fields of packages between blank lines.

Spec: dpkg deb-control(5), "Status" in dpkg(1).
"""

from collections.abc import Iterator
from io import BytesIO

from watcher.inspection.catalogers.stanzas import Stanza

# The third word of Status is what is on disk, the first only what an administrator wishes: `deinstall ok installed` is installed.
# Whatever else it may be, from half-installed to triggers-pending, files of the package are there.
_ABSENT = frozenset({b"not-installed", b"config-files"})

_SPACES = frozenset(b" \t\n\r\v\f")
_BLANK = frozenset({b"\n", b"\r\n"})


def stanzas(content: bytes, fields: frozenset[bytes]) -> Iterator[Stanza]:
    """Runs of lines between blank ones, as far as they have one of `fields`, and the last. Names of fields are of either case, in
    `fields` of lower; a value may begin on the next line.
    """
    initials = frozenset(letter for name in fields for letter in (name[0], name[:1].upper()[0]))
    stanza, key = Stanza(), b""
    for line in BytesIO(content):  # a list of all lines could be ten times as large as the content
        first = line[0]
        if first in _SPACES:
            if key and not line.isspace():
                if not stanza.fields[key]:
                    stanza.fields[key] = line.strip()
            elif stanza.fields and line in _BLANK:
                yield stanza
                stanza, key = Stanza(), b""
            continue
        key = b""
        if first in initials:
            name, colon, value = line.partition(b":")
            name = name.rstrip().lower()
            if colon and name in fields:
                key = name
                stanza.add(name, value.strip())
    yield stanza


def is_absent(stanza: Stanza) -> bool:
    """Whether its status says that nothing of the package is there; one with several statuses may be."""
    state = stanza.fields.get(b"status", b"").lower().split()
    return len(state) == 3 and state[2] in _ABSENT and b"status" not in stanza.repeated
