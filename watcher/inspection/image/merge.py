"""Facts of the layers as one image: which files, packages, texts and secrets are left, and which layer brought them. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain

from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.purl import DISTRIBUTOR_TYPES
from watcher.inspection.catalogers.texts import TEXTS
from watcher.inspection.hard_links import hard_links
from watcher.inspection.image.assemblies import NUGET, without_parts
from watcher.inspection.image.embedded_sboms import without_repetitions
from watcher.inspection.image.listed_once import list_once
from watcher.inspection.image.nix_store import store_packages
from watcher.inspection.image.noted_licences import NotedLicences, noted_licences
from watcher.inspection.image.npm_places import packages_among
from watcher.inspection.image.owners import Owners, owners_of
from watcher.inspection.image.unread_databases import leading_links, leading_locks, linked_files, unread_databases
from watcher.inspection.image.whiteouts import Tree
from watcher.model.certificates import CertificateFile
from watcher.model.inventory import (
    HARDLINK,
    FileList,
    FileTable,
    LayerFacts,
    Note,
    PackageDatabase,
    PackageRecord,
    Secret,
    SecretHit,
)

# What stands for the path of a secret that has none: it lies behind the end of the archive, or in an entry that is no file.
NO_FILE = "bytes that belong to no file"

Key = tuple[str, str]
"""The path of a database and its type: several catalogers may read one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedImage:
    """`texts` are those of catalogers.texts.TEXTS, by those paths, whichever file they lead to.

    `unread_texts` exist but lead to a file that was not kept; `foreign_databases` are of another root. `databases` have each
    record with the layer that brought it, by path and type. `licences` are those that
    other files say. `owners` say whose the databases of language packages are; `programs` are what nobody owns and no database is
    of. `certificates` have the layer that brought each file. `declared` are the lock files among the databases, which the others
    are without, `unread_locks` those of which the content is not known. `unread_databases` says what each is that is not read.
    `disputed` and `disputed_modes` are as of `Tree`.
    """

    files: FileTable
    texts: dict[str, bytes]
    unread_texts: tuple[str, ...]
    databases: dict[Key, dict[PackageRecord, int]]
    declared: dict[Key, dict[PackageRecord, int]]
    licences: NotedLicences
    owners: Owners
    programs: tuple[str, ...]
    certificates: Mapping[str, tuple[int, CertificateFile]]
    foreign_databases: tuple[str, ...]
    unread_databases: dict[str, str]
    unread_locks: dict[str, str]
    secrets: tuple[Secret, ...]
    disputed: dict[str, str]
    disputed_modes: dict[str, str]


def merge(layers: Iterable[LayerFacts]) -> MergedImage:
    """Merge layers, base first. One that could not be read has no rows, and so changes nothing."""
    tree, contents = Tree(), _Contents()
    digests = []
    for index, facts in enumerate(layers):
        digests.append(facts.digest)
        below = tree.layer_of
        before = {path: below(path) for path, _ in contents.databases}
        linked = _linked_below(facts.files, tree) if contents.secrets else {}
        contents.add(facts, index, tree.apply(facts, index), before, linked)
    texts, unread = _final_texts(tree, contents)
    databases, foreign = _final_databases(tree, contents)
    declared = {key: databases.pop(key) for key in sorted(databases) if contents.databases[key].database.declared}
    files = tree.files()
    databases |= store_packages(files, tree.links)
    known = {path for path, _ in databases}
    databases = without_parts(databases, contents.files_of_applications(tree))
    databases = without_repetitions(databases)
    owners = _owners(tree, contents, databases)
    return MergedImage(
        files=files,
        texts=texts,
        unread_texts=unread,
        databases=databases,
        declared=declared,
        licences=_licences(tree, contents, databases),
        owners=owners,
        certificates={path: held for path, held in contents.certificates.items() if tree.layer_of(path) == held[0]},
        programs=_programs(tree, contents, known, owners),
        foreign_databases=foreign,
        unread_databases=_unread_databases(tree, files, {*(path for path, _ in databases), *foreign}),
        unread_locks=_unread_locks(tree, {path for path, _ in declared}),
        secrets=tuple(
            Secret(
                hit=hit if hit.path else replace(hit, path=NO_FILE),
                where="file" if hit.path else "layer",
                layer=layer,
                layer_digest=digests[layer],
                present_in_final=not hit.path or any(tree.layer_of(path) == owner for path, owner in names),
            )
            for hit, names, layer in contents.secrets
        ),
        disputed=tree.disputed,
        disputed_modes=tree.disputed_modes,
    )


def merged_files(layers: Iterable[LayerFacts]) -> FileTable:
    """Only the files of what `merge` gives."""
    tree = Tree()
    for index, facts in enumerate(layers):
        tree.apply(facts, index)
    return tree.files()


@dataclass(slots=True)
class _Owned:
    """A database as the layer `layer` left it; `records` have the layer that brought each."""

    database: PackageDatabase
    layer: int
    records: dict[PackageRecord, int]


_Name = tuple[str, int]
"""A real path, and the layer that brought what was there."""


@dataclass(slots=True)
class _Contents:
    """What layers say of the content of files, by where those really are. Whether they are still there the tree says."""

    databases: dict[Key, _Owned] = field(default_factory=dict)
    notes: dict[str, tuple[int, Note]] = field(default_factory=dict)
    file_lists: dict[str, tuple[int, list[FileList]]] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    certificates: dict[str, tuple[int, CertificateFile]] = field(default_factory=dict)
    texts: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    # With every name of the file, which hard links in any layer may add to, and the layer it was found in.
    secrets: list[tuple[SecretHit, list[_Name], int]] = field(default_factory=list)

    def add(
        self,
        facts: LayerFacts,
        layer: int,
        moved: Mapping[str, str],
        owners: Mapping[str, int | None],
        linked: Mapping[str, _Name],
    ) -> None:
        """`moved` are the real paths of entries that are not where they say, `owners` which layer each database path was of before
        this one, `linked` what hard links lead to in lower ones.
        """
        for database in facts.databases:
            path = moved.get(database.path, database.path)
            key = path, database.type
            below = self.databases.get(key)
            before = below.records if below is not None and owners.get(path) == below.layer else {}
            # A record that a layer writes again unchanged stays with the layer that brought it.
            records = {record: before.get(record, layer) for record in database.packages}
            self.databases[key] = _Owned(database=database, layer=layer, records=records)
        for note in facts.notes:
            path = moved.get(note.path, note.path)
            self.notes[path] = (layer, note)
        for listed in facts.file_lists:
            path = moved.get(listed.path, listed.path)
            if path not in self.file_lists or self.file_lists[path][0] != layer:
                self.file_lists[path] = (layer, [])
            self.file_lists[path][1].append(listed)
        for certified in facts.certificates:
            self.certificates[moved.get(certified.path, certified.path)] = (layer, certified)
        for path in facts.programs:
            self.programs[moved.get(path, path)] = layer
        for path, content in facts.texts.items():
            self.texts[moved.get(path, path)] = (layer, content)
        if facts.secrets or linked:
            known = {name: names for _, names, _ in self.secrets for name in names}
            files = {target: known[name] for target, name in linked.items() if name in known}
            files |= {hit.path: [(moved.get(hit.path, hit.path), layer)] for hit in facts.secrets}
            for row, kind in enumerate(facts.files.kind):
                if kind == HARDLINK and (target := facts.files.link[row]) in files:
                    path = facts.files.path[row]
                    files[target].append((moved.get(path, path), layer))
                    files.setdefault(path, files[target])
            self.secrets += [(hit, files[hit.path], layer) for hit in facts.secrets]

    def files_of_applications(self, tree: Tree) -> Iterator[str]:
        """What applications of .NET list as theirs, where their lists really are."""
        for path, (layer, lists) in self.file_lists.items():
            if tree.layer_of(path) == layer:
                for each in lists:
                    if each.type == NUGET:
                        written, real = (name[: name.rfind("/") + 1] for name in (each.path, path))
                        yield from (real + file.removeprefix(written) for file in each.files.split("\n"))


def _linked_below(files: FileTable, tree: Tree) -> dict[str, _Name]:
    """What hard links lead to that is not in their own layer before them, by the name they give."""
    targets = {files.link[row] for row, own in hard_links(files) if own is None}
    places = {target: tree.links.entry(target) for target in targets}
    return {target: (place, owner) for target, place in places.items() if (owner := tree.layer_of(place)) is not None}


def _final_texts(tree: Tree, contents: _Contents) -> tuple[dict[str, bytes], tuple[str, ...]]:
    texts: dict[str, bytes] = {}
    unread: list[str] = []
    for path in sorted(TEXTS):
        real = tree.links.follow(path)
        owner = None if real is None else tree.layer_of(real)
        if real is None or owner is None:
            continue
        layer, content = contents.texts.get(real, (None, b""))
        if layer == owner:
            texts[path] = content
        else:
            unread.append(path)
    return texts, tuple(unread)


def _final_databases(tree: Tree, contents: _Contents) -> tuple[dict[Key, dict[PackageRecord, int]], tuple[str, ...]]:
    """Those whose file is still the one that was read; of a distribution's only the one that its tools would use, of Node's those
    that it would.
    """
    follow = tree.links.follow
    proper = {each.type: {follow(path) for path in each.places}.union(each.places) for each in CATALOGERS.values() if each.places}
    databases: dict[Key, dict[PackageRecord, int]] = {}
    foreign: list[str] = []
    there = {key: owned for key, owned in contents.databases.items() if tree.layer_of(key[0]) == owned.layer}
    modules = [path for path, kind in there if kind == "npm"]
    found = packages_among(modules, tree.links, lambda path: tree.layer_of(path) is not None)
    for (path, kind), owned in there.items():
        original = there.get((owned.database.original, kind))
        if original is not None and original.database.packages == owned.database.packages:
            continue
        if kind == "npm" and path not in found:
            continue
        if owned.database.system and path not in proper.get(kind, {path}):
            foreign.append(path)
        else:
            databases[path, kind] = owned.records
    for each in CATALOGERS.values():
        if each.places:
            list_once(databases, each.type, each.places)
    return databases, tuple(sorted(foreign))


def _licences(tree: Tree, contents: _Contents, databases: Mapping[Key, Mapping[PackageRecord, int]]) -> NotedLicences:
    """What other files say of the licences of packages, which another layer may have brought."""
    there = {path: note for path, (layer, note) in contents.notes.items() if tree.layer_of(path) == layer}
    names = {record.name for (_, kind), records in databases.items() if kind == "deb" for record in records}
    return noted_licences(there, names, tree.links)


def _owners(tree: Tree, contents: _Contents, databases: Mapping[Key, Mapping[PackageRecord, int]]) -> Owners:
    """Whose the programs are, and the files that packages of languages were found in."""
    found = {path for (path, kind), records in databases.items() if kind == "native" or not _is_distributors(records)}
    files = {path: layer for path in (*found, *contents.programs) if (layer := tree.layer_of(path)) is not None}
    there = (lists for path, (layer, lists) in contents.file_lists.items() if tree.layer_of(path) == layer)
    of_packages = (each for each in chain.from_iterable(there) if each.type != NUGET)
    return owners_of(files, of_packages, databases, tree.links)


def _is_distributors(records: Iterable[PackageRecord]) -> bool:
    return all(each.type in DISTRIBUTOR_TYPES for each in records)


def _programs(tree: Tree, contents: _Contents, known: AbstractSet[str], owners: Owners) -> tuple[str, ...]:
    """By path."""
    return tuple(
        path
        for path, layer in sorted(contents.programs.items())
        if tree.layer_of(path) == layer and path not in known and not owners.of(path)
    )


def _unread_locks(tree: Tree, read: AbstractSet[str]) -> dict[str, str]:
    """Lock files that are a link to what was not read as one."""
    places = {path: tree.links.follow(path) for path in leading_locks(tree.links)}
    return {
        path: f"it leads to /{real}, which was not read as a lock file"
        for path, real in places.items()
        if real is not None and real not in read and tree.layer_of(real) is not None
    }


def _unread_databases(tree: Tree, files: FileTable, read: AbstractSet[str]) -> dict[str, str]:
    """Databases of kinds that nobody reads, and those that a link leads away from where they would be."""
    unread = {path: f"a package database of {tool}, which is not read" for path, tool in unread_databases(files.path, tree.links)}
    places = [(path, (path,)) for each in CATALOGERS.values() for path in each.places]
    for path, names in (*places, *leading_links(tree.links)):
        for real in filter(None, map(tree.links.follow, names)):
            if real not in read and tree.layer_of(real) is not None:
                unread[path] = f"it leads to /{real}, which was not read as a package database"
    for path, real in linked_files(files.path, tree.links):
        if real not in read:
            unread[path] = f"it leads to /{real}, which was not read as a package database"
    return unread
