"""What steers the overlay that it is unpacked into: removals, and content from elsewhere, without a whiteout. Pure.

Spec: the kernel's overlayfs.rst, "Whiteouts and opaque directories", "Renaming directories", "Metadata only copy up".
"""

import re

from watcher.inspection.confined.tar_fields import signed_number

# As pax records have extended attributes. moby sets them all, containerd leaves those of the administrator out.
_ATTRIBUTE = re.compile(
    rb"SCHILY\.xattr\.((?:trusted|user)\.overlay\.[a-z]+|(?:user|security)\.fuseoverlayfs\.[a-z]+|user\.containers\.override_stat)="
)
_MARKS = (b"overlay", b"override_stat")


def steering_attribute(records: bytes) -> str:
    """The attribute among pax records that an overlay reads as its own; empty when there is none."""
    if not any(mark in records for mark in _MARKS):
        return ""
    found = _ATTRIBUTE.search(records)
    return found[1].decode("ascii") if found else ""


def is_null_device(major: bytes, minor: bytes) -> bool:
    """Whether a character device of these two fields has the number 0, once the kernel has cut it: 12 bits and 20."""
    numbers = signed_number(major), signed_number(minor)
    return None not in numbers and not ((numbers[0] or 0) & 0xFFF or (numbers[1] or 0) & 0xFFFFF)
