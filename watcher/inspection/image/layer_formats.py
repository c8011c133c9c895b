"""Layers that are something else to the runtime they are for than the archive they may also be. Pure."""

from watcher.model.image import Descriptor

# What a media type has in it, and what that says.
_TYPES = (
    ("+encrypted", "encrypted"),
    (".nydus.", "a nydus blob, which only its snapshotter reads"),
    ("overlaybd", "a block device of overlaybd, which only its snapshotter reads"),
    ("erofs", "an EROFS image"),
    ("squashfs", "a squashfs image"),
)
# What steers a snapshotter of containerd to something else than the archive: all that begins like this is handed to it.
_STEERING = "containerd.io/snapshot/"
# Its files are those of the archive, as long as its builder is not lying.
_ESTARGZ = "containerd.io/snapshot/stargz/toc.digest"
_ANNOTATIONS = (
    ("containerd.io/snapshot/nydus-", "a part of a nydus image, of which its snapshotter mounts another part"),
    ("containerd.io/snapshot/overlaybd", "to overlaybd a block device, which its snapshotter mounts"),
)


def unread_format(layer: Descriptor) -> str:
    """What it is when it is no archive at all, as the end of a sentence; empty where it may be one."""
    return next((what for mark, what in _TYPES if mark in layer.media_type), "")


def other_format(layer: Descriptor) -> str:
    """What it also is, to some runtimes, beside the archive that is read of it; empty where an archive is all."""
    named = [name for name in layer.annotations if name.startswith(_STEERING) and name != _ESTARGZ]
    known = (what for mark, what in _ANNOTATIONS if any(name.startswith(mark) for name in named))
    return next(known, f"handed to containerd's snapshotter with {named[0][:100]!r}" if named else "")
