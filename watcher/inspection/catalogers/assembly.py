"""Assemblies of .NET and other programs for Windows, by the version that their makers gave them.

Spec: Microsoft "PE Format"; "VERSIONINFO resource"
"""

import re
from dataclasses import dataclass, field

from watcher.inspection.catalogers.assembly_identity import identity
from watcher.inspection.catalogers.assembly_resources import Resources, resources_of, version_texts
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import bounded_text, complete
from watcher.model.inventory import PackageRecord

# Nothing of a program is held but its start and its resources, so that only time bounds it.
MAX_BYTES = 4 * 1024 * 1024 * 1024

# Headers end within 4 KiB.
START_BYTES = 64 * 1024

RUNTIME = "Microsoft.NETCore.App"
# Where a runtime has its hundred assemblies; together they are one package.
_RUNTIME = re.compile(rf"(?:^|/){re.escape(RUNTIME)}/(\d+\.\d+\.\d+)/[^/]+\.dll", re.ASCII | re.IGNORECASE)

_ENDINGS = (".dll", ".exe")


class AssemblyCataloger:
    """`*.dll` and `*.exe`, as they are or in capitals. What a `deps.json` says of them is joined in the image."""

    type = "assembly"
    version = 2
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".dll", b".exe", b".DLL", b".EXE"}))

    def wants(self, path: str, size: int) -> bool:
        return size <= MAX_BYTES and path.endswith((*_ENDINGS, *(each.upper() for each in _ENDINGS)))

    def begin(self, path: str, size: int) -> "AssemblyReading":  # noqa: ARG002 - however large
        return AssemblyReading(path=path)


@dataclass(slots=True, kw_only=True)
class AssemblyReading:
    """One program as it comes by."""

    path: str
    _position: int = 0
    _start: bytearray = field(default_factory=bytearray)
    _kept: bytearray = field(default_factory=bytearray)
    _resources: Resources | None = None

    def feed(self, piece: bytes) -> None:
        begins = self._position
        self._position += len(piece)
        if begins < START_BYTES:
            self._start += piece[: START_BYTES - begins]
            if len(self._start) == START_BYTES:
                self._locate()
        if self._resources is not None:
            # All that is before the next wanted byte was seen already.
            first = self._resources.first + len(self._kept) - begins
            self._kept += piece[first : self._resources.end - begins] if first < len(piece) else b""

    def facts(self) -> Facts:
        if self._position < START_BYTES:
            self._locate()
        found = self._resources
        if found is None:
            return ()  # no program for Windows, or one that says nothing of itself
        if len(self._kept) < found.end - found.first and found.is_managed:
            raise DamagedDatabaseError(f"{self.path}: an assembly whose version is not all there")
        texts = version_texts(self._kept, found.address)
        called = identity(texts, self.path)
        if called is None or (not found.is_managed and not called.is_named):
            return ()
        runtime = _RUNTIME.search(self.path) if called.is_microsoft else None
        name, version = (RUNTIME, runtime[1]) if runtime else (called.name, called.version)
        kind = "nuget" if found.is_managed or runtime else "generic"
        record = PackageRecord(
            type=kind,
            name=name,
            version=version,
            source=name,
            source_version=version,
            maintainer=bounded_text(texts.get("CompanyName", "")),
            purl=package_url(kind, name, version),
        )
        return complete(self.path, AssemblyCataloger.type, [record], system=False)

    def _locate(self) -> None:
        self._resources = resources_of(bytes(self._start))
        if self._resources is not None:
            self._kept += self._start[self._resources.first : self._resources.end]
        self._start.clear()
