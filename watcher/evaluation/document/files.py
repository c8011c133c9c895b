"""The files of an image as rules see them, without a message for each: an image has a hundred thousand, a rule wants a handful."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from google.protobuf.message import Message

from watcher.evaluation.document.types import message_class
from watcher.model.inventory import (
    DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SETGID,
    SETUID,
    SPARSE_COLUMNS,
    STICKY,
    SYMLINK,
    WORLD_WRITABLE,
    FileTable,
)

MAX_INT64 = 2**63 - 1

TYPES: Mapping[str, str] = {
    FILE: "file",
    # A hard link is a file like any other; it has the mode of the file that it leads to.
    HARDLINK: "file",
    DIRECTORY: "directory",
    SYMLINK: "symlink",
    DEVICE: "device",
    FIFO: "fifo",
}

# The columns a field is made of.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path",),
    "type": ("kind",),
    "mode": ("mode",),
    "uid": ("uid",),
    "gid": ("gid",),
    "size": ("size",),
    "link": ("link",),
    "suid": ("kind", "mode"),
    "sgid": ("kind", "mode"),
    "world_writable": ("kind", "mode"),
    "layer": ("layer",),
    "layer_digest": ("layer",),
    "from_base": ("layer",),
    "sha256": ("sha256",),
    "content": ("content",),
    "capabilities": ("capabilities",),
}


class FileRows(Protocol):
    """Files by number, 0 to `len() - 1`."""

    def __len__(self) -> int: ...

    def paths(self) -> Sequence[str]:
        """Absolute, one a row."""
        ...

    def classes(self, rows: Sequence[int], fields: frozenset[str] | None) -> Sequence[Hashable]:
        """One value a row of `rows`; rows with equal values are equal in all `fields` (None: in every field)."""
        ...

    def message(self, row: int) -> Message:
        """The row as `inspect.v1.File`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFiles:
    """The merged file table. `base_layers` is how many layers come from the base image."""

    table: FileTable
    layer_digests: Sequence[str]
    base_layers: int = 0
    absolute: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.table)

    def paths(self) -> Sequence[str]:
        if len(self.absolute) != len(self.table.path):
            self.absolute[:] = ["/" + path for path in self.table.path]
        return self.absolute

    def classes(self, rows: Sequence[int], fields: frozenset[str] | None) -> Sequence[Hashable]:
        names = sorted({column for name in (_COLUMNS if fields is None else fields) for column in _COLUMNS[name]})
        columns = [self._column(name, rows) for name in names]
        if len(columns) == 1:
            return columns[0]
        return list(zip(*columns, strict=True)) if columns else [()] * len(rows)

    def message(self, row: int) -> Message:
        table = self.table
        kind, mode, layer = table.kind[row], table.mode[row], table.layer[row]
        kept = {"content": table.content[row]} if row in table.content else {}
        if row in table.sha256:
            kept["sha256"] = table.sha256[row].hex()
        return file_message(
            path="/" + table.path[row],
            type=TYPES.get(kind, "device"),
            mode=mode,
            uid=min(table.uid[row], MAX_INT64),
            gid=min(table.gid[row], MAX_INT64),
            size=min(table.size[row], MAX_INT64),
            link=table.link[row],
            layer=layer,
            layer_digest=self.layer_digests[layer] if layer < len(self.layer_digests) else "",
            from_base=layer < self.base_layers,
            capabilities=_permitted(table.capabilities.get(row, "")),
            **kept,
        )

    def _column(self, name: str, rows: Sequence[int]) -> list[Any]:
        column = getattr(self.table, name)
        if name in SPARSE_COLUMNS:
            return list(map(column.get, rows))
        whole: list[Any] = column if len(rows) == len(self.table) else [column[row] for row in rows]
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFiles:
    """Files that are messages already: those of a test case."""

    messages: Sequence[Message]

    def __len__(self) -> int:
        return len(self.messages)

    def paths(self) -> Sequence[str]:
        return [getattr(message, "path") for message in self.messages]  # noqa: B009 - generated classes have no declared fields

    def classes(self, rows: Sequence[int], fields: frozenset[str] | None) -> Sequence[Hashable]:
        del fields
        return list(rows)

    def message(self, row: int) -> Message:
        return self.messages[row]


def _permitted(capabilities: str) -> list[str]:
    """The names in `cap_net_raw,cap_chown=ep cap_kill=i`, without those that are only inherited."""
    clauses = (clause.partition("=") for clause in capabilities.split())
    return [name for names, _, flags in clauses if "p" in flags for name in names.split(",")]


def file_message(**fields: Any) -> Message:
    """One file, with what its type and mode mean filled in where it is not said."""
    make: Callable[..., Message] = message_class("File")
    mode = fields.get("mode", 0)
    is_file = fields.setdefault("type", "file") == "file"
    fields.setdefault("suid", is_file and bool(mode & SETUID))
    fields.setdefault("sgid", is_file and bool(mode & SETGID))
    open_to_all = fields["type"] != "symlink" and bool(mode & WORLD_WRITABLE)
    fields.setdefault("world_writable", open_to_all and not (fields["type"] == "directory" and mode & STICKY))
    return make(**fields)
