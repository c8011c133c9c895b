"""What the daemon asks of a worker and what it hears back: frames of msgpack, each at most MAX_MESSAGE_BYTES.

The worker is not believed: types are checked as a frame is decoded, counts and sizes by whoever collects them. This is all that
the two sides of the sandbox know of each other, so what both must agree on stands here.
"""

import os

import msgspec

from watcher.inspection.file_digests import FileDigests
from watcher.model.certificates import CertificateFile
from watcher.model.inventory import FileList, Note, PackageRecord, Problem, SecretHit

MAX_MESSAGE_BYTES = 1024 * 1024
HEADER_BYTES = 4
# As much as the pipe holds.
TOGETHER_BYTES = 64 * 1024
# Texts and package lists are cut at this, which leaves room for what surrounds them.
MAX_PART_BYTES = 512 * 1024

# As much of a path, or of a link's target, as Linux takes.
MAX_PATH = 4096
# More credentials than that in one layer are a list of them; the rest would tell nobody anything new.
MAX_SECRETS = 1000
# Of so many values at most it is looked where else they stand: of long lists of paths each takes some milliseconds.
MAX_HIDDEN = 200

# How a worker ends; anything else is a signal.
DONE, OVER_MEMORY, CRASHED, REFUSED = 0, 70, 71, 72

# What a worker is confined by, each held or not on the machine it runs on.
NAMESPACES, RLIMITS, USER, NO_NEW_PRIVS, LANDLOCK, SECCOMP = "namespaces", "rlimits", "user", "no-new-privs", "landlock", "seccomp"
MECHANISMS = (NAMESPACES, RLIMITS, USER, NO_NEW_PRIVS, LANDLOCK, SECCOMP)


class _Frame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="message"):
    """What kind of frame it is travels with it."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one layer may cost, and whether its files are hashed; see InspectionSettings."""

    plain_bytes: int
    files: int
    memory_bytes: int
    cpu_seconds: int
    file_digests: FileDigests = "none"


# Started with these limits a worker only says what holds of its sandbox.
PROBE = Limits(plain_bytes=0, files=0, memory_bytes=256 * 1024 * 1024, cpu_seconds=10)


class Greeting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first thing a zygote is told."""

    salt: bytes


class ForkRequest(_Frame, frozen=True, kw_only=True, tag="fork"):
    """One worker, please; its input and its output come along as descriptors."""

    worker: int
    limits: Limits


class KillRequest(_Frame, frozen=True, kw_only=True, tag="kill"):
    worker: int


ZygoteRequest = ForkRequest | KillRequest


class Ready(_Frame, frozen=True, kw_only=True, tag="ready"):
    """Everything is loaded: workers can be forked."""


class Began(_Frame, frozen=True, kw_only=True, tag="began"):
    """A worker has been forked."""

    worker: int
    pid: int


class Ended(_Frame, frozen=True, kw_only=True, tag="ended"):
    """How a worker ended: its exit code, or the negative number of the signal; the memory and the processor time it took."""

    worker: int
    code: int
    peak_bytes: int
    cpu_seconds: float


ZygoteAnswer = Ready | Began | Ended


class Confined(_Frame, frozen=True, kw_only=True, tag="confined"):
    """The first message of every worker: what holds of MECHANISMS."""

    held: tuple[str, ...]


class Refused(_Frame, frozen=True, kw_only=True, tag="refused"):
    """It does not read without a sandbox, or could not go on; `why` holds nothing of the layer."""

    why: str


class Rows(_Frame, frozen=True, kw_only=True, tag="rows"):
    """The next entries, column by column as in FileTable; `kind` has one character each."""

    path: list[str]
    kind: str
    mode: list[int]
    uid: list[int]
    gid: list[int]
    size: list[int]
    link: list[str]


class Removals(_Frame, frozen=True, kw_only=True, tag="removals"):
    """`behind` says of each, the whiteouts first, how many entries of the layer come before it."""

    whiteouts: list[str]
    opaque: list[str]
    behind: list[int]


class Database(_Frame, frozen=True, kw_only=True, tag="database"):
    """A package database, or a further part of the one that came before when `more` was true there."""

    path: str
    type: str
    system: bool
    packages: tuple[PackageRecord, ...]
    more: bool
    declared: bool = False


class Notes(_Frame, frozen=True, kw_only=True, tag="notes"):
    """What one file says of packages that it does not list."""

    notes: tuple[Note, ...]


class Owned(_Frame, frozen=True, kw_only=True, tag="owned"):
    """Files of a package, of which there may be several lists."""

    files: FileList


class Certificates(_Frame, frozen=True, kw_only=True, tag="certificates"):
    """The certificates of a file, of which there may be several lists."""

    file: CertificateFile


class Programs(_Frame, frozen=True, kw_only=True, tag="programs"):
    """The next executables."""

    paths: list[str]


class Text(_Frame, frozen=True, kw_only=True, tag="text"):
    """A small file, or its next part."""

    path: str
    content: bytes
    more: bool


class Content(_Frame, frozen=True, kw_only=True, tag="content"):
    """The text of the entry of this number, the first of the layer being 0."""

    row: int
    text: str


class Capabilities(_Frame, frozen=True, kw_only=True, tag="capabilities"):
    """What the entry of this number gives to whoever runs it, as FileTable has it."""

    row: int
    text: str


class Digests(_Frame, frozen=True, kw_only=True, tag="digests"):
    """The sha256 of what files have once unpacked, 32 bytes each, by the numbers of the entries."""

    rows: list[int]
    sha256: bytes


class Alias(_Frame, frozen=True, kw_only=True, tag="alias"):
    """`path` is a hard link to `target`, and would be a database or text by its name."""

    path: str
    target: str


class Forgotten(_Frame, frozen=True, kw_only=True, tag="forgotten"):
    """A later entry of the layer has replaced the database or text of this path."""

    path: str


class Secrets(_Frame, frozen=True, kw_only=True, tag="secrets"):
    hits: tuple[SecretHit, ...]


class Hidden(_Frame, frozen=True, kw_only=True, tag="hidden"):
    """Values of secrets that the layer has, each with what is shown instead wherever it stands. Heard, used, and forgotten.

    `uncertain` ones may be something else as well. `names` are found in a name rather than in a file; whose, the hit does not say.
    """

    texts: dict[str, str]
    uncertain: tuple[str, ...]
    names: dict[str, SecretHit]


class Problems(_Frame, frozen=True, kw_only=True, tag="problems"):
    problems: tuple[Problem, ...]


class Done(_Frame, frozen=True, kw_only=True, tag="done"):
    """The last message: all of the input was read."""

    compressed_bytes: int
    plain_bytes: int


Message = (
    Confined
    | Refused
    | Rows
    | Removals
    | Database
    | Notes
    | Owned
    | Certificates
    | Programs
    | Text
    | Content
    | Capabilities
    | Digests
    | Alias
    | Forgotten
    | Secrets
    | Hidden
    | Problems
    | Done
)

_ENCODER = msgspec.msgpack.Encoder()


def encoded(message: Message) -> bytes:
    """The content of a frame."""
    return _ENCODER.encode(message)


def send(descriptor: int, message: Message) -> None:
    """Write one frame, waiting for the reader. Raises what `Outgoing` does."""
    outgoing = Outgoing(descriptor)
    outgoing.send(message)
    outgoing.flush()


class Outgoing:
    """Frames on their way into a pipe, which go together: a layer has thousands of packages that are each a file of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()

    def send(self, message: Message) -> None:
        """Write one frame with the next ones, waiting for the reader.

        Raises:
            ValueError: the message is too large; whoever makes it knows how to make two of it.
            OSError: nobody reads any more.
        """
        content = encoded(message)
        if len(content) > MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {len(content)} bytes")
        self._waiting += len(content).to_bytes(HEADER_BYTES, "big")
        self._waiting += content
        if len(self._waiting) >= TOGETHER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises OSError: nobody reads any more."""
        frames, self._waiting = memoryview(bytes(self._waiting)), bytearray()
        while frames:
            frames = frames[os.write(self._descriptor, frames) :]
