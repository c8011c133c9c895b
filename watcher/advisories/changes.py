"""OSV's list of what changed when: every record of an ecosystem, the newest first.

Spec: https://google.github.io/osv.dev/data/, "Downloading recent changes"
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.advisories.fetching import BrokenDownloadError
from watcher.model.moments import iso, moment_of

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,199}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """When each record changed last. `newest` is the latest of these, as text."""

    modified: Mapping[str, datetime]
    newest: str

    def since(self, mark: str) -> list[str]:
        """Ids of what changed at that time or later, the newest last. At that time: a list may be written within a second."""
        begin = moment_of(mark) or datetime.min.replace(tzinfo=UTC)
        return sorted((each for each, when in self.modified.items() if when >= begin), key=lambda each: (self.modified[each], each))


def read_changes(content: bytes, *, name: str) -> Changes:
    """Raises BrokenDownloadError for anything but lines of a time and an id: a list is believed as a whole or not at all."""
    modified: dict[str, datetime] = {}
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeError as error:
        raise BrokenDownloadError(f"{name}: no list of changes") from error
    for number, line in enumerate(lines, start=1):
        written, _, identifier = line.partition(",")
        when = moment_of(written)
        if when is None or not _ID.fullmatch(identifier):
            raise BrokenDownloadError(f"{name}:{number}: {line[:80]!r} is no time and id")
        modified[identifier] = when
    if not modified:
        raise BrokenDownloadError(f"{name}: an empty list of changes")
    return Changes(modified=modified, newest=iso(max(modified.values())))
