"""What advisories say of an image, for those who judge it: a Gatherer for the section `vulnerabilities`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from watcher.advisories.coverage import UPDATE, covered, list_section
from watcher.advisories.ecosystems import installed_as
from watcher.advisories.protocol import FirstSeen
from watcher.advisories.reading import AdvisoryFile
from watcher.advisories.tables import found_at
from watcher.advisories.vulnerabilities import Matched, documented, match, seen_key
from watcher.kit.clock import Clock, utc_now
from watcher.kit.threads import Threads
from watcher.model.inventory import Inventory
from watcher.model.knowledge import Knowledge
from watcher.model.moments import iso
from watcher.model.verdict import Section, SectionState, Subject

SECTION = "vulnerabilities"
# What else rules may ask of a vulnerability, the list that tells it, and what the list is of.
LISTS = {
    "exploitation": ("kev", "vulnerabilities that are known to be exploited"),
    "likelihood": ("epss", "probabilities of exploitation"),
}
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class AdvisoryGatherer:
    """Looks into the file at `path`, and into the one that takes its place from then on.

    Without `first_seen` nobody knows since when a vulnerability is known here.
    """

    path: Path
    max_age_seconds: float
    first_seen: FirstSeen | None = None
    clock: Clock = utc_now
    name: str = "advisories"
    sections: Sequence[str] = (SECTION, *LISTS)
    # One thread: the file's memory of answers is not for several, and SQLite is quicker than any of them.
    _threads: Threads = field(default_factory=lambda: Threads(1, name="advisories"), init=False)
    _data: AdvisoryFile | None = field(default=None, init=False)
    _identity: tuple[int, int, int] | None = field(default=None, init=False)

    async def gather(self, subject: Subject, inventory: Inventory) -> Knowledge:
        """Raises ConfigurationError for a file that cannot be read."""
        asked = await self.ask(lambda data: (data, match(data, inventory)))
        if asked is None:
            missing = Section(state=SectionState.NOT_CONFIGURED, reason=f"run: {UPDATE}")
            return Knowledge(sections=dict.fromkeys(self.sections, missing))
        data, matched = asked
        now = self.clock()
        keys = dict.fromkeys(seen_key(known) for known, _ in matched.found)
        seen = await self.first_seen.first_seen(keys, now=now) if self.first_seen is not None and keys else {}
        return await self._threads.call(lambda: self._knowledge(data, subject, inventory, matched, seen, now))

    async def ask(self, question: Callable[[AdvisoryFile], T]) -> T | None:
        """What `question` finds in the data there are now; None where there are none. In the one thread that reads them."""

        def asked() -> T | None:
            data = self._current()
            return None if data is None else question(data)

        return await self._threads.call(asked)

    async def revision(self) -> str:
        """See `Changes.revision` (watcher/pipeline/protocol.py): the file there is now, and how many imports made it."""
        return await self.ask(lambda data: f"{data.lineage} {data.last_import}") or ""

    async def oldest(self) -> datetime | None:
        """See `Changes.oldest`."""
        return await self.ask(lambda data: data.oldest)

    async def changed_since(self, revision: str) -> Collection[tuple[str, str, str]] | None:
        """See `Changes.changed_since`. None when the data were begun anew, or are those of an earlier import again."""
        return await self.ask(lambda data: _changed_since(data, revision))

    def _knowledge(
        self,
        data: AdvisoryFile,
        subject: Subject,
        inventory: Inventory,
        matched: Matched,
        seen: Mapping[str, datetime],
        now: datetime,
    ) -> Knowledge:
        coverage = covered(
            inventory, matched.kinds, data.as_of, matched.incomparable, now=now, max_age_seconds=self.max_age_seconds
        )
        document: dict[str, Any] = {
            "vulnerabilities": documented(data, inventory, subject, matched.found, seen),
            "data": {"vulnerability_covered": coverage.section.state in {SectionState.COMPLETE, SectionState.STALE}},
        }
        if coverage.as_of is not None:
            document["data"]["vulnerability_db_time"] = iso(coverage.as_of)
        sections = {SECTION: coverage.section}
        for name, (feed, what) in LISTS.items():
            # Of an image without vulnerabilities there is nothing that a list could say.
            as_of = data.as_of_list(feed) if matched.found else now
            sections[name] = list_section(as_of, what, now=now, max_age_seconds=self.max_age_seconds)
        return Knowledge(sections=sections, document=msgspec.json.encode(document), data_revision=data.revision)

    def _current(self) -> AdvisoryFile | None:
        """The file that is there now, opened. It is replaced, never changed: what is held open stays what it was."""
        try:
            found = found_at(self.path)
        except FileNotFoundError:
            self._data = None
            return None
        identity = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._data is None or identity != self._identity:
            # The one before is closed when the last that asks it has ended.
            self._data, self._identity = AdvisoryFile(self.path), identity
        return self._data


def _changed_since(data: AdvisoryFile, revision: str) -> Collection[tuple[str, str, str]] | None:
    lineage, _, number = revision.partition(" ")
    if data.lineage != lineage or not number.isdigit() or int(number) > data.last_import:
        return None
    touched = data.touched_since(int(number))
    return {(kind, package, distro) for ecosystem, package in touched for kind, distro in installed_as(ecosystem)}
