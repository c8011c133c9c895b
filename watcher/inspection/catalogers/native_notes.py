"""The note that a distribution's linker leaves in an executable: which package it was built for.

Spec: https://uapi-group.org/specifications/specs/package_metadata_for_executable_files/
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from watcher.inspection.catalogers.native_passages import Mark, Passage
from watcher.inspection.catalogers.purl import DISTRIBUTOR_TYPES, package_url
from watcher.inspection.catalogers.stanzas import Unread, bounded_text
from watcher.model.inventory import PackageRecord

# The length of what follows, the type of the note, 0xcafe1a7e, and its owner, in either order of bytes.
LITTLE_NOTE = Mark(rb".{4}\x7e\x1a\xfe\xcaFDO\x00", 12)
BIG_NOTE = Mark(rb".{4}\xca\xfe\x1a\x7eFDO\x00", 12)

# The specification has no more than some 200.
_MAX_BYTES = 16 * 1024
_MAX_NOTES = 16


class _Body(msgspec.Struct):
    name: str = ""
    version: str = ""
    type: str = ""
    architecture: str = ""
    os: str = ""
    osVersion: str = ""  # noqa: N815 - as it is written
    osCpe: str = ""  # noqa: N815 - as it is written
    license: str = ""


_DECODER = msgspec.json.Decoder(_Body)


@dataclass(slots=True)
class Notes:
    """The packages that one executable has notes of."""

    _packages: dict[PackageRecord, None] = field(default_factory=dict)
    _unread: dict[str, None] = field(default_factory=dict)

    def little(self, at: int) -> Passage:  # noqa: ARG002 - as every passage begins
        """A note of a machine whose numbers begin with their lowest byte."""
        return self._note("little")

    def big(self, at: int) -> Passage:  # noqa: ARG002 - as every passage begins
        """A note of a machine whose numbers begin with their highest byte."""
        return self._note("big")

    def records(self) -> Iterator[PackageRecord | Unread]:
        """Each package once."""
        yield from self._packages
        yield from map(Unread, self._unread)

    def _note(self, order: Literal["little", "big"]) -> Passage:
        size = int.from_bytes((yield 12)[:4], order)
        if not 0 < size <= _MAX_BYTES:
            return
        text = (yield size).rstrip(b"\0")
        # Programs that read such notes have the mark as well.
        if not text.startswith(b"{"):
            return
        try:
            record = _record(_DECODER.decode(text))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._unread["a note of a package is damaged"] = None
            return
        if record is None:
            self._unread["a note of a package has no name or no version"] = None
        elif len(self._packages) < _MAX_NOTES:
            self._packages[record] = None
        else:
            self._unread["there are more notes of packages than are looked at"] = None


def _record(body: _Body) -> PackageRecord | None:
    name, version, kind = bounded_text(body.name), bounded_text(body.version), bounded_text(body.type)
    if not name or not version:
        return None
    package_type = kind if kind in DISTRIBUTOR_TYPES else "generic"
    system, release = bounded_text(body.os), bounded_text(body.osVersion)
    if not system:
        # `cpe:/o:fedoraproject:fedora:40`, `cpe:2.3:o:fedoraproject:fedora:40:*`.
        _, _, named = bounded_text(body.osCpe).partition(":o:" if ":o:" in body.osCpe else "/o:")
        _, system, release, *_ = *named.split(":"), "", "", ""
    return PackageRecord(
        type=package_type,
        name=name,
        version=version,
        architecture=bounded_text(body.architecture),
        source=name,
        source_version=version,
        licenses=tuple(filter(None, [bounded_text(body.license)])),
        purl=package_url(
            package_type,
            name,
            version,
            namespace=system,
            architecture=bounded_text(body.architecture),
            distribution=f"{system}-{release}" if system and release else system,
        ),
    )
