"""Who makes the facts of a layer, in which version, and whether facts that were made earlier still stand.

A maker is the reader, the search for secrets, or one cataloger. Its version is a number beside its code, to be raised when the same
bytes would give other facts; `tools/makers.py` holds the numbers to the code, and a test fails when one was forgotten.
"""

from collections.abc import Collection
from dataclasses import dataclass

from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.protocol import AnyCataloger, Selection, asked
from watcher.inspection.file_digests import FileDigests, lacks_digests
from watcher.inspection.problems import PACKAGES
from watcher.inspection.secrets.rules import VERSION as SECRETS_VERSION
from watcher.model.inventory import FILE, HARDLINK, FileTable, LayerFacts

# What walks a layer and puts its facts together: confined/layer_reader.py with all it needs, and workers/collector.py.
READER_VERSION = 24

READER, SECRETS, DIGESTS = "reader", "secrets", "file-digests"


@dataclass(frozen=True, slots=True)
class Makers:
    """All of them, as they are in this process; workers are forked from the same code."""

    catalogers: tuple[AnyCataloger, ...] = tuple(CATALOGERS.values())
    file_digests: FileDigests = "none"

    @property
    def names(self) -> tuple[str, ...]:
        """`NAME/VERSION` of each, sorted: what `LayerFacts.makers` says. Where files are hashed, DIGESTS with those that are."""
        versions = {READER: READER_VERSION, SECRETS: SECRETS_VERSION, **{each.type: each.version for each in self.catalogers}}
        hashed = () if self.file_digests == "none" else (f"{DIGESTS}/{self.file_digests}",)
        return tuple(sorted((*(f"{name}/{version}" for name, version in versions.items()), *hashed)))

    def stand_by(self, facts: LayerFacts) -> bool:
        """Whether reading the layer again would give these facts. Takes a moment for a layer of many files, if makers differ.

        The reader and the search concern every layer. A cataloger concerns a layer that has something of it, or a file it wants
        today: the list of files says so, and therefore a cataloger that is new or wants other files needs no reading to know.
        It also says whether a file is to be hashed that was not; of digests that nobody wants any more none is wrong.
        """
        changed = {name.partition("/")[0] for name in {*self.names} ^ {*facts.makers}}
        if not changed:
            return True
        if not changed.isdisjoint({READER, SECRETS}):
            return False
        if DIGESTS in changed and lacks_digests(facts.files, self.file_digests):
            return False
        if changed == {DIGESTS}:
            return True
        if any(database.type in changed for database in facts.databases):
            return False
        if any(problem.sections == PACKAGES for problem in facts.problems):
            return False  # a database that could not be read, and nothing says whose
        return not _any_wanted([each for each in self.catalogers if each.type in changed], facts.files)


def _any_wanted(catalogers: Collection[AnyCataloger], files: FileTable) -> bool:
    """Whether the reader would show one of them one of these files, or say that it is too large."""
    selection = Selection.joined(each.selection for each in catalogers)
    for path, kind, size in zip(files.path, files.kind, files.size, strict=True):
        if kind == FILE and size and selection.heads:
            return True  # how a file begins is not kept
        directory, _, name = path.rpartition("/")
        if kind not in (FILE, HARDLINK) or not selection.takes(name.encode(), directory.rpartition("/")[2].encode()):
            continue
        if any(each.wants(path, 0) or each.wants(path, size) for each in asked(catalogers, path)):
            return True
    return False
