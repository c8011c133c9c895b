"""Turns what a worker says into facts, and believes none of it beyond what a layer of that size can hold.

A worker that lies can only lie about the layer it was given. What is checked here is that it cannot exhaust the daemon, nor put
anything into the facts that a truthful one could not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from watcher.inspection.catalogers.catalog import CATALOGERS, CERTIFICATES, LOCKS, NOTED
from watcher.inspection.catalogers.kept_texts import MAX_KEPT_BYTES, MAX_LAYER_BYTES, is_kept
from watcher.inspection.catalogers.protocol import asked
from watcher.inspection.catalogers.texts import MAX_TEXT_BYTES, TEXTS
from watcher.inspection.hard_links import last_of_each
from watcher.inspection.hiding import Hiding, hidden_layer
from watcher.inspection.own_removals import Removals as OwnRemovals
from watcher.inspection.problems import ALL, DECLARED, PACKAGES, TOO_MANY_SECRETS, USERS_AND_DISTRO, ProblemList
from watcher.inspection.workers.messages import (
    MAX_HIDDEN,
    MAX_PATH,
    MAX_SECRETS,
    Alias,
    Capabilities,
    Certificates,
    Confined,
    Content,
    Database,
    Digests,
    Done,
    Forgotten,
    Hidden,
    Limits,
    Message,
    Notes,
    Owned,
    Problems,
    Programs,
    Refused,
    Removals,
    Rows,
    Secrets,
    Text,
)
from watcher.model import inventory
from watcher.model.certificates import CertificateFile
from watcher.model.digest import Digest
from watcher.model.errors import WorkerFailedError
from watcher.model.inventory import FileList, FileTable, LayerFacts, Note, PackageDatabase, PackageRecord, Problem, SecretHit
from watcher.model.masking import longest_first

_KINDS = frozenset({inventory.FILE, inventory.DIRECTORY, inventory.SYMLINK, inventory.HARDLINK, inventory.DEVICE, inventory.FIFO})
_TYPES = frozenset(CATALOGERS)

# A monorepo with its node_modules has some 20 000 package.json files, one package each.
MAX_PACKAGES = 500_000
MAX_PROBLEMS = 64
# Characters of all files of all packages: a desktop of Debian has 300 000, in 20 MB.
MAX_LISTED = 64 * 1024 * 1024
# Characters of all capabilities there are, each with flags of its own.
MAX_CAPABILITIES = 2048
SHA256_BYTES = 32
# Where a secret is that is in no name, as in an attribute.
_IN_A_HEADER = "(a header of the archive)"
# Every byte of a path can become four characters.
_MAX_TEXT = 4 * MAX_PATH


@dataclass(slots=True)
class Collector:
    """The messages of one worker, in order. `facts` gives what they say once the worker has said that it is done."""

    limits: Limits
    refusal: str = ""
    done: Done | None = None
    _files: FileTable = field(default_factory=FileTable)
    _whiteouts: list[str] = field(default_factory=list)
    _opaque: list[str] = field(default_factory=list)
    _own_removals: OwnRemovals = field(default_factory=OwnRemovals)
    # By path and type.
    _databases: dict[str, dict[str, PackageDatabase]] = field(default_factory=dict)
    _partial: list[PackageRecord] = field(default_factory=list)
    _packages: int = 0
    _notes: dict[str, list[Note]] = field(default_factory=dict)
    _file_lists: dict[str, list[FileList]] = field(default_factory=dict)
    _listed: int = 0
    _certificates: dict[str, CertificateFile] = field(default_factory=dict)
    _programs: list[str] = field(default_factory=list)
    _texts: dict[str, bytes] = field(default_factory=dict)
    # By the number of the entry.
    _content: dict[int, str] = field(default_factory=dict)
    _kept_bytes: int = 0
    # Hard links to what was not kept, by their path.
    _unread: dict[str, str] = field(default_factory=dict)
    _secrets: list[SecretHit] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)
    _hidden: dict[str, str] = field(default_factory=dict)
    _uncertain: set[str] = field(default_factory=set)
    _names: dict[str, SecretHit] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Raises WorkerFailedError for anything that a truthful worker does not say."""
        if self.done is not None:
            raise WorkerFailedError("a worker went on after it had said that it was done")
        match message:
            case Rows():
                self._add_rows(message)
            case Removals():
                self._whiteouts += message.whiteouts
                self._opaque += message.opaque
                _require(len(self._whiteouts) + len(self._opaque) <= self.limits.files, "too many removals")
                count = len(message.whiteouts)
                _require(count + len(message.opaque) == len(message.behind), "a malformed list of removals")
                _require(all(0 <= each <= self.limits.files for each in message.behind), "a removal behind nothing")
                self._own_removals.whiteouts |= zip(message.whiteouts, message.behind[:count], strict=True)
                self._own_removals.opaque |= zip(message.opaque, message.behind[count:], strict=True)
            case Database():
                self._add_database(message)
            case Notes():
                self._add_notes(message.notes)
            case Owned():
                self._add_file_list(message.files)
            case Certificates():
                self._add_certificates(message.file)
            case Programs():
                self._programs += message.paths
                _require(len(self._programs) <= self.limits.files, "too many programs")
            case Text():
                content = self._texts.get(message.path, b"") + message.content
                _require(message.path in TEXTS and len(content) <= MAX_TEXT_BYTES, "a text nobody asked for")
                self._texts[message.path] = content
            case Content():
                self._kept_bytes += len(message.text.encode())
                _require(self._kept_bytes <= MAX_LAYER_BYTES and len(message.text) <= MAX_KEPT_BYTES, "more text than is kept")
                self._content[message.row] = message.text
            case Capabilities():
                _require(len(message.text) <= MAX_CAPABILITIES and message.row < self.limits.files, "capabilities that cannot be")
                self._files.capabilities[message.row] = message.text
            case Digests():
                _require(self.limits.file_digests != "none", "digests nobody asked for")
                _require(len(message.sha256) == len(message.rows) * SHA256_BYTES, "a malformed list of digests")
                digests = (message.sha256[at : at + SHA256_BYTES] for at in range(0, len(message.sha256), SHA256_BYTES))
                self._files.sha256.update(zip(message.rows, digests, strict=True))
                _require(len(self._files.sha256) <= self.limits.files, "too many digests")
            case Alias():
                self._add_alias(message.path, message.target)
            case Forgotten():
                for held in (self._databases, self._notes, self._file_lists, self._certificates, self._texts, self._unread):
                    held.pop(message.path, None)
            case Secrets():
                self._secrets += message.hits
                _require(len(self._secrets) <= MAX_SECRETS, "too many secrets")
                _require(all(len(hit.preview) <= 4 for hit in message.hits), "more of a secret than may be kept")
            case Hidden():
                self._hidden |= message.texts
                self._uncertain.update(message.uncertain)
                self._names |= message.names
                _require(len(self._hidden) <= MAX_HIDDEN and all(self._hidden), "more than there is to hide")
                _require(self._names.keys() <= self._hidden.keys(), "a value that is not to be hidden")
                _require(all(len(hit.preview) <= 4 for hit in message.names.values()), "more of a secret than may be kept")
            case Problems():
                self._problems += message.problems
                _require(len(self._problems) <= MAX_PROBLEMS, "too many problems")
            case Refused():
                self.refusal = message.why[:500]
            case Done():
                self.done = message
            case Confined():
                pass

    def facts(self, digest: Digest, makers: tuple[str, ...]) -> LayerFacts:
        """The layer's facts, without the values of its secrets; valid only when the bytes that the worker was given were those of
        `digest`. Takes a moment for a layer of many files.

        Raises:
            WorkerFailedError: it never said that it was done.
        """
        if self.done is None:
            raise WorkerFailedError("a worker ended without saying that it was done")
        self._add_sparse()
        facts = LayerFacts(
            digest=digest,
            makers=makers,
            compressed_bytes=self.done.compressed_bytes,
            plain_bytes=self.done.plain_bytes,
            files=last_of_each(self._files),
            whiteouts=tuple(dict.fromkeys(self._whiteouts)),
            opaque=tuple(dict.fromkeys(self._opaque)),
            databases=tuple(each for held in self._databases.values() for each in held.values()),
            notes=tuple(each for held in self._notes.values() for each in held),
            file_lists=tuple(each for held in self._file_lists.values() for each in held),
            certificates=tuple(self._certificates.values()),
            programs=tuple(dict.fromkeys(self._programs)),
            texts=self._texts,
            secrets=tuple(dict.fromkeys((*self._secrets, *self._named()))),
            problems=(*self._problems, *self._unread_links(), *self._own_removals.problems(self._files)),
        )
        texts = {value: self._hidden[value] for value in longest_first(self._hidden)}
        return hidden_layer(facts, Hiding(texts=texts, uncertain=frozenset(self._uncertain)))

    def _named(self) -> Iterator[SecretHit]:
        """The secrets in names, each with the first path that has it: of an entry, of a link to it, or of what is removed."""
        files = self._files
        for value, hit in self._names.items():
            own = (path for path in files.path if value in path)
            linked = (path for path, target in zip(files.path, files.link, strict=True) if value in target)
            removed = (path for path in (*self._whiteouts, *self._opaque) if value in path)
            yield replace(hit, path=next(chain(own, linked, removed), _IN_A_HEADER))

    def _add_rows(self, rows: Rows) -> None:
        count = len(rows.path)
        columns = (rows.kind, rows.mode, rows.uid, rows.gid, rows.size, rows.link)
        _require(all(len(column) == count for column in columns) and _KINDS.issuperset(rows.kind), "a malformed list of entries")
        _require(len(self._files) + count <= self.limits.files, "too many entries")
        _require(max(map(len, rows.path), default=0) <= _MAX_TEXT, "an endless path")
        numbers = (rows.mode, rows.uid, rows.gid, rows.size)
        _require(all(min(column, default=0) >= 0 for column in numbers), "a number below zero")
        self._files.extend(rows)

    def _add_sparse(self) -> None:
        paths = self._files.path
        for column in (self._files.capabilities, self._files.sha256):
            _require(not column or 0 <= min(column) <= max(column) < len(paths), "capabilities or digests of nothing")
        asked_for = all(0 <= row < len(paths) and is_kept(paths[row]) for row in self._content)
        _require(asked_for, "the text of a file that nobody asked for")
        # Of more secrets than are looked at, some are where nobody knows.
        if len(self._hidden) < MAX_HIDDEN and not any(each.reason == TOO_MANY_SECRETS for each in self._problems):
            self._files.content.update(self._content)

    def _add_database(self, part: Database) -> None:
        self._packages += len(part.packages)
        _require(part.type in _TYPES and self._packages <= MAX_PACKAGES, "a package database that cannot be")
        _require(len(self._databases) < self.limits.files, "too many package databases")
        self._partial += part.packages
        if not part.more:
            database = PackageDatabase(
                path=part.path, type=part.type, system=part.system, packages=tuple(self._partial), declared=part.declared
            )
            self._databases.setdefault(part.path, {})[part.type] = database
            self._partial = []

    def _add_notes(self, notes: tuple[Note, ...]) -> None:
        self._packages += len(notes)
        _require(self._packages <= MAX_PACKAGES and all(each.type in _TYPES for each in notes), "a note that cannot be")
        for each in notes:
            self._notes.setdefault(each.path, []).append(each)

    def _add_file_list(self, files: FileList) -> None:
        self._listed += len(files.files)
        _require(self._listed <= MAX_LISTED and files.type in _TYPES, "a list of files that cannot be")
        self._file_lists.setdefault(files.path, []).append(files)

    def _add_certificates(self, file: CertificateFile) -> None:
        self._packages += len(file.certificates) + len(file.keys)
        _require(self._packages <= MAX_PACKAGES and file.type in CERTIFICATES, "certificates that cannot be")
        if known := self._certificates.get(file.path):
            file = replace(file, certificates=(*known.certificates, *file.certificates), keys=(*known.keys, *file.keys))
        self._certificates[file.path] = file

    def _add_alias(self, path: str, target: str) -> None:
        """A hard link has what its target has by then, provided that was kept; else what it holds is not known."""
        by_place = _wanted_by(path)
        for kind, database in self._databases.get(target, {}).copy().items():
            if kind in by_place:
                self._databases.setdefault(path, {})[kind] = replace(database, path=path)
            elif CATALOGERS[kind].selection.heads:
                copy = replace(database, path=path, original=database.original or target)
                self._databases.setdefault(path, {})[kind] = copy
        for note in self._notes.get(target, ()):
            if note.type in by_place:
                self._notes.setdefault(path, []).append(replace(note, path=path))
        if target in self._certificates and not by_place.isdisjoint(CERTIFICATES):
            self._certificates[path] = replace(self._certificates[target], path=path)
        noted = {each.type for each in self._notes.get(path, ())}
        if path in TEXTS and target in self._texts:
            self._texts[path] = self._texts[target]
        elif path in TEXTS or by_place.difference(self._databases.get(path, ()), noted, NOTED):
            self._unread[path] = target
        most = max(len(self._unread), len(self._databases), len(self._certificates))
        _require(most <= self.limits.files, "too many links")

    def _unread_links(self) -> tuple[Problem, ...]:
        told = ProblemList()
        for path, target in sorted(self._unread.items(), key=lambda each: each[0] in TEXTS):
            sections = USERS_AND_DISTRO if path in TEXTS else _sections(path)
            told.add("hard-link-unread", f"{path[:200]} is a hard link to {target[:200]}, which was not kept", sections)
        return told.all()


def _wanted_by(path: str) -> set[str]:
    return {each.type for each in asked(CATALOGERS.values(), path) if each.wants(path, 0)}


def _sections(path: str) -> tuple[str, ...]:
    """What is not known whole without this file."""
    return DECLARED if _wanted_by(path) <= LOCKS else PACKAGES


def failed_facts(digest: Digest, makers: tuple[str, ...], compressed_bytes: int, reason: str, detail: str) -> LayerFacts:
    """What is known of a layer that could not be read."""
    return LayerFacts(
        digest=digest,
        makers=makers,
        compressed_bytes=compressed_bytes,
        plain_bytes=0,
        files=FileTable(),
        problems=(Problem(reason=reason, detail=detail[:1000], sections=ALL, fatal=True),),
    )


def _require(truth: bool, lie: str) -> None:
    if not truth:
        raise WorkerFailedError(f"a worker sent {lie}")
