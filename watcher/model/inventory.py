r"""What inspection finds: facts per layer, and the image they make together. No opinion.

Facts of a layer are a function of its bytes and the versions of their makers; nothing in them names an image.
Paths are without a leading slash or `./`, `/`-separated; bytes that are not UTF-8 are written as `\xNN`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress

from watcher.model.certificates import Certificate, CertificateFile, Key
from watcher.model.digest import Digest
from watcher.model.image import ImageConfig
from watcher.model.slices import slices
from watcher.model.verdict import Section

# Kinds of a FileTable row.
FILE, DIRECTORY, SYMLINK, HARDLINK, DEVICE, FIFO = "f", "d", "l", "h", "b", "p"
# What an entry of a layer has: in a FileTable, a column each.
ENTRY_COLUMNS = ("path", "kind", "mode", "uid", "gid", "size", "link")
# What only a few of them have: in a FileTable, by the number of the row.
SPARSE_COLUMNS = ("capabilities", "content", "sha256")
# Bits of a mode, as in stat(2).
SETUID, SETGID, STICKY, WORLD_WRITABLE = 0o4000, 0o2000, 0o1000, 0o0002


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTable:
    """The entries of one layer, or of a merged image, column by column; row *n* is the n-th of every list.

    `kind` is one of FILE DIRECTORY SYMLINK HARDLINK DEVICE FIFO; `mode` holds the permission bits with setuid, setgid and sticky
    (0o7777); `size` is in bytes; `link` is the target of a link, empty otherwise. `layer` is the index of the layer that brought
    the row, 0 = base; a layer's own table leaves it empty.

    By the number of the row: `capabilities` that a file gives, as `cap_net_raw=ep`; `content`, the text of files that rules ask for
    (watcher/inspection/catalogers/kept_texts.py), and `sha256`, the 32 bytes of the digest of what the file has once unpacked. What
    has no content or digest there may have any.
    """

    path: list[str] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    uid: list[int] = field(default_factory=list)
    gid: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    link: list[str] = field(default_factory=list)
    layer: list[int] = field(default_factory=list)
    capabilities: dict[int, str] = field(default_factory=dict)
    content: dict[int, str] = field(default_factory=dict)
    sha256: dict[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.path)

    def extend(self, entries: object) -> None:
        """Add entries, anything that has ENTRY_COLUMNS, behind those that are there. Their `layer` is for the caller to say."""
        if isinstance(entries, FileTable):
            for name in SPARSE_COLUMNS:
                getattr(self, name).update((len(self) + row, value) for row, value in getattr(entries, name).items())
        for column in ENTRY_COLUMNS:
            getattr(self, column).extend(getattr(entries, column))

    def rows(self, numbers: Sequence[int]) -> "FileTable":
        """A table of these rows, in this order."""
        found = FileTable()
        for part in slices(numbers):
            for name in (*ENTRY_COLUMNS, "layer"):
                column = getattr(self, name)
                if column:
                    getattr(found, name).extend(map(column.__getitem__, part))
            first = len(found) - len(part)
            for name in SPARSE_COLUMNS:
                if sparse := getattr(self, name):
                    there = compress(enumerate(part, first), map(sparse.__contains__, part))
                    getattr(found, name).update((new, sparse[row]) for new, row in there)
        return found

    def slices(self) -> "Iterator[FileTable]":
        """The table in short ones, in order."""
        sparse_rows = {name: sorted(getattr(self, name)) for name in SPARSE_COLUMNS}
        for numbers in slices(range(len(self))):
            first, end = numbers[0], numbers[-1] + 1
            part = FileTable(**{name: getattr(self, name)[first:end] for name in (*ENTRY_COLUMNS, "layer")})
            for name, rows in sparse_rows.items():
                there = rows[bisect_left(rows, first) : bisect_left(rows, end)]
                getattr(part, name).update((row - first, getattr(self, name)[row]) for row in there)
            yield part

    @classmethod
    def joined(cls, tables: "Iterable[FileTable]") -> "FileTable":
        """One table of all rows, those of the first table first."""
        found = cls()
        for each in tables:
            found.extend(each)
            found.layer.extend(each.layer)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRecord:
    """One package as its database says, with everything that belongs to it and nothing that belongs to its place.

    `type` is the purl type: as deb, npm or golang. `source` is the name advisories are matched on. In the facts of a
    layer `licenses` are as written, in an image SPDX licence expressions, read in the file `licensed_in` if not where the rest was.
    `place` is where in its file it is, for one in an archive in that: `BOOT-INF/lib/x.jar`; only the facts of a layer have it.
    """

    type: str
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    source_version: str = ""
    licenses: tuple[str, ...] = ()
    maintainer: str = ""
    purl: str = ""
    place: str = ""
    licensed_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageDatabase:
    """What one cataloger found in one file: dpkg status, apk installed, one dist-info, one package.json.

    `type` is the cataloger's. `system` is true where the file is shared by many packages and is rewritten as a whole by an upper
    layer. `original` is the file that this one is a hard link to, where only the content counts and not where it is. `declared` is
    true of a lock file: what it lists somebody meant to install, which says nothing of what is there.
    """

    path: str
    type: str
    packages: tuple[PackageRecord, ...]
    system: bool = False
    original: str = ""
    declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one file says of packages that another one lists, perhaps in another layer: it is joined to them in the image.

    `type` is the cataloger's. The path says whose it is.
    """

    path: str
    type: str
    licenses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileList:
    """The files that a package of a distribution brought, as one of its database's files at `path` says.

    `type` is the cataloger's. `files` are paths as FileTable has them, one a line: an image may have a hundred thousand, of which
    few are ever asked for. Directories may be among them, documentation and translations are not.
    """

    path: str
    type: str
    package: str
    files: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretHit:
    """One secret in one file. The value is nowhere: `fingerprint` is salted per deployment, `preview` is at most the first four
    characters, of tokens that all begin with them.

    `line` counts from 1, None in binary content. Without a path it is of no file.
    """

    rule: str
    title: str
    path: str
    line: int | None
    fingerprint: str
    preview: str
    confidence: str = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something about a layer that limits what can be said. `sections` are those it makes partial or missing."""

    reason: str
    detail: str
    sections: tuple[str, ...]
    fatal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """Everything known of one layer, kept by its digest.

    `makers` are `NAME/VERSION` of all who made it (watcher/inspection/makers.py), sorted; none for a layer that was not read.
    `whiteouts` are paths removed from below, `opaque` directories whose lower content is hidden. `texts` holds small files that are
    needed to understand the image (os-release, passwd, group), whole. `programs` are files that begin as executables do and that
    somebody may run. `problems` is empty for a sound layer.
    """

    digest: Digest
    compressed_bytes: int
    plain_bytes: int
    files: FileTable
    makers: tuple[str, ...] = ()
    whiteouts: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    databases: tuple[PackageDatabase, ...] = ()
    notes: tuple[Note, ...] = ()
    file_lists: tuple[FileList, ...] = ()
    certificates: tuple[CertificateFile, ...] = ()
    programs: tuple[str, ...] = ()
    texts: dict[str, bytes] = field(default_factory=dict)
    secrets: tuple[SecretHit, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """One layer of an image, in order. `state` is `inspected`, `skipped` (not an image layer) or `failed`."""

    digest: Digest
    media_type: str
    compressed_bytes: int
    plain_bytes: int = 0
    files: int = 0
    created_by: str = ""
    state: str = "inspected"
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of the final image: installed, or declared by a lock file. `layer` is the index of the layer that brought it.

    `path` is its database; for one in an archive that and where in there it is: `app/app.jar!/BOOT-INF/lib/x.jar`. `owner` is
    `TYPE/NAME` of the distribution's package that brought that file.
    """

    record: PackageRecord
    path: str
    layer: int
    from_base: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An executable that no package brought, and of which nothing else is known. `layer` is the index of the layer that did."""

    path: str
    layer: int
    size: int
    from_base: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret somewhere in the image. `where` is `file`, `layer` for what of a layer is of no file, `env`, `label`, `history`, or
    `config` and `manifest` for what else those say; `path` is then the file, the variable, the label, the step or the field.
    `present_in_final` is false for a file that a later layer deleted: it can still be pulled.
    """

    hit: SecretHit
    where: str
    layer: int | None
    layer_digest: Digest | None
    present_in_final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A line of the final image's /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Distro:
    """From os-release. `known` is false when the image has none."""

    id: str = ""
    version: str = ""
    name: str = ""
    like: tuple[str, ...] = ()
    known: bool = False

    @property
    def release(self) -> str:
        """`debian:12`; `arch` where there is no version, empty where there is no ID."""
        return f"{self.id}:{self.version}" if self.id and self.version else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The image this one was built on. `how` is `annotation` (its layers were compared), `layers` (seen before) or empty.

    In a judgement it may be `itself`: the image is on the list of trusted bases, and on nothing that is known.
    """

    known: bool = False
    reference: str = ""
    digest: Digest | None = None
    layer_count: int = 0
    how: str = ""

    @property
    def known_layers(self) -> int:
        """How many layers of the image are known to be the base's: those before this number."""
        return self.layer_count if self.known else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SbomDocument:
    """A document that somebody attached to the image, who may be anybody, and how many packages it lists.

    `source` is `referrer`, `index` for one that is attached to the index which lists the image, or `attestation` for one that
    stands in that index, as BuildKit writes it. `digest` is that of the artefact's manifest, `format` as `CycloneDX 1.6`.
    """

    source: str
    digest: Digest
    format: str
    tool: str
    packages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedSboms:
    """What attached documents list, held against what was found.

    `missing` are the purls of packages that were found and that no document lists, `extra` the packages that one lists and that
    were not found. Both are empty where nothing is attached.
    """

    documents: tuple[SbomDocument, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[PackageRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """One image of one platform, merged.

    `effective_uid` is the uid that runtimes start it with, through the image's own /etc/passwd; None when none of them starts it as
    it stands, or when it cannot be told (then the section `users` is not complete, either).

    `declared` are the packages that lock files list. They are installed or not: `packages` does not have them, no vulnerability is
    looked up for them, and they are in no SBOM. An image that was recorded before they were read has none.

    `sbom` is what was attached when the image was inspected, which others may change at any time.

    `facts_revision` is the sha256 over (layer digest, makers) of all layers, the configuration's digest, and what is attached.
    """

    digest: Digest
    media_type: str
    platform: str
    config_digest: Digest
    config: ImageConfig
    annotations: dict[str, str]
    compressed_bytes: int
    layers: tuple[LayerSummary, ...]
    effective_uid: int | None
    distro: Distro
    base: Base
    packages: tuple[Package, ...]
    files: FileTable
    users: tuple[User, ...]
    secrets: tuple[Secret, ...]
    sections: dict[str, Section]
    facts_revision: str
    programs: tuple[Program, ...] = ()
    declared: tuple[Package, ...] = ()
    sbom: AttachedSboms = AttachedSboms()
    certificates: tuple[Certificate, ...] = ()
    keys: tuple[Key, ...] = ()
