"""A hard link is the file that it leads to, whatever its own entry says. Pure."""

from collections.abc import Iterator

from watcher.model.inventory import DIRECTORY, HARDLINK, SETGID, SETUID, SPARSE_COLUMNS, SYMLINK, WORLD_WRITABLE, FileTable
from watcher.model.slices import set_of

_DANGEROUS = SETUID | SETGID | WORLD_WRITABLE


def hard_links(files: FileTable) -> Iterator[tuple[int, int | None]]:
    """Each hard link of a layer, in order, with the row of what it leads to: the last before it that has the name it gives.

    None where none has: then the name leads through a link, or to a lower layer. A row that comes later is another file.
    """
    if HARDLINK not in files.kind:
        return
    rows: dict[str, int] = {}
    for row, path in enumerate(files.path):
        if files.kind[row] == HARDLINK:
            yield row, rows.get(files.link[row])
        rows[path] = row


def share_inode(files: FileTable, row: int, source: int) -> bool:
    """Make `row`, a hard link, what the row `source` is. False when its own entry says otherwise.

    dockerd and containerd set the mode and owner of every entry on the file that its names share, umoci leaves the file as it is.
    So no name is less dangerous than any of its entries says. Of capabilities it has those of all that say some.
    """
    if files.kind[source] == SYMLINK:
        files.kind[row], files.link[row] = SYMLINK, files.link[source]
        agrees = True
    else:
        agrees = all(column[row] == column[source] for column in (files.mode, files.uid, files.gid))
        files.mode[source] |= files.mode[row] & _DANGEROUS
    for column in (files.mode, files.uid, files.gid, files.size):
        column[row] = column[source]
    if (own := files.capabilities.get(row)) is not None and own != (other := files.capabilities.get(source)):
        files.capabilities[source] = " ".join(dict.fromkeys((*(other or "").split(), *own.split())))
        agrees = False
    for name in SPARSE_COLUMNS:
        sparse = getattr(files, name)
        sparse.pop(row, None)
        if source in sparse:
            sparse[row] = sparse[source]
    return agrees


def last_of_each(files: FileTable) -> FileTable:
    """A path that a layer has twice is what it was last. What it was before is kept where it matters to other entries: a link of
    either kind, what a hard link leads to, and what was in the place of a directory.
    """
    if len(set_of(files.path)) == len(files.path):
        return files
    last = {path: row for row, path in enumerate(files.path)}
    links = (row for row, kind in enumerate(files.kind) if kind in (SYMLINK, HARDLINK))
    places = (row for row, path in enumerate(files.path) if files.kind[last[path]] == DIRECTORY and files.kind[row] != DIRECTORY)
    targets = (row for _, row in hard_links(files) if row is not None)
    return files.rows(sorted({*last.values(), *links, *places, *targets}))
