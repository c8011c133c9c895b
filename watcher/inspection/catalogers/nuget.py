"""Packages of NuGet that an application of .NET was built with: its `NAME.deps.json`.

Spec: dotnet/runtime docs/design/features/host-components-dependencies-resolution.md, "runtimeconfig.json and deps.json"
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError, Facts, Selection
from watcher.inspection.catalogers.purl import package_url
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES, Unread, bounded_text, complete
from watcher.model.inventory import FileList, PackageRecord

# An application with all of ASP.NET beside it has some 300 KB.
MAX_BYTES = 8 * 1024 * 1024

# Commas bound how many values there are, and so what reading them may take: that application has 10 000.
MAX_COMMAS = 200_000

SUFFIX = ".deps.json"

# What such a library is called where the runtime was put beside the application; advisories have it without.
_PACK = "runtimepack."

# Where a package has an assembly, of which an application has but the last part.
_IN_PACKAGE = re.compile(r"(?:runtimes/[^/]+/)?lib/net[^/]+/(.+)", re.DOTALL)

# Tools that put assemblies into others: with one of them packages are there whose files are not.
_BUNDLERS = frozenset(
    {
        *("ILRepack.Lib.MSBuild.Task", "ILRepack.Lib", "ILRepack.Lib.MSBuild", "ILRepack.Lib.NET", "ILRepack.NETStandard"),
        *("ILRepack.FullAuto", "ILMerge", "JetBrains.Build.ILRepack", "PostSharp.Community.Packer", "Brokenevent.ILStrip"),
        *("Brokenevent.ILStrip.CLI", "Costura.Fody", "Fody"),
    }
)


class _Assets(msgspec.Struct, rename="camel"):
    """What one library brings for one target; all the rest is passed over without being built."""

    dependencies: dict[str, Any] | None = None
    runtime: dict[str, msgspec.Raw] | None = None
    resources: dict[str, msgspec.Raw] | None = None
    compile: dict[str, msgspec.Raw] | None = None
    native: dict[str, msgspec.Raw] | None = None
    runtime_targets: dict[str, msgspec.Raw] | None = None

    def files(self) -> Iterator[str]:
        """Beside the application."""
        for each in (self.runtime, self.resources, self.compile):
            for path in each or ():
                found = _IN_PACKAGE.fullmatch(path)
                yield found[1] if found else path
        yield from self.native or ()
        yield from self.runtime_targets or ()


class _Library(msgspec.Struct):
    type: Any = None
    path: Any = None
    sha512: Any = None


class _Document(msgspec.Struct):
    targets: dict[str, dict[str, _Assets]] | None = None
    libraries: dict[str, _Library] | None = None


_DECODER = msgspec.json.Decoder(_Document)


class NugetCataloger:
    """`*.deps.json`, anywhere. What a single-file application has within itself is not read."""

    type = "nuget"
    version = 1
    places: tuple[str, ...] = ()
    selection = Selection(suffixes=frozenset({b".json"}))

    def wants(self, path: str, size: int) -> bool:
        return path.endswith(SUFFIX) and size <= MAX_BYTES

    def read(self, path: str, content: bytes) -> Facts:
        if content.count(b",") > MAX_COMMAS:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_COMMAS} values")
        try:
            document = _DECODER.decode(content.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DamagedDatabaseError(f"{path}: no list of what an application of .NET depends on") from error
        if document.targets is None:
            return ()  # another tool's
        libraries = _installed(document, path.rpartition("/")[2].removesuffix(SUFFIX))
        if len(libraries) > MAX_PACKAGES:
            raise DatabaseTooLargeError(f"{path}: more than {MAX_PACKAGES} packages")
        if not libraries:
            return ()
        return (*complete(path, self.type, map(_record, libraries), system=False), *_file_list(path, document, libraries))


def _installed(document: _Document, root: str) -> list[str]:
    """`NAME/VERSION` of the application itself, and of the libraries that bring a file or need one that does.

    Other projects of the application are its own parts, and reference assemblies are for its compiler.
    """
    needed_by: dict[str, list[str]] = {}
    bringing: set[str] = set()
    all_of_them: dict[str, None] = {}
    for target in (document.targets or {}).values():
        for called, assets in target.items():
            all_of_them[called] = None
            if next(assets.files(), None) is not None:
                bringing.add(called)
            for name, version in (assets.dependencies or {}).items():
                needed_by.setdefault(f"{name}/{version}", []).append(called)
    reached, waiting = set(bringing), list(bringing)
    while waiting:
        for called in needed_by.get(waiting.pop(), ()):
            if called not in reached:
                reached.add(called)
                waiting.append(called)
    bundled = any(called.partition("/")[0] in _BUNDLERS for called in all_of_them)
    known = document.libraries or {}
    return [
        called for called in all_of_them if _is_package(called, known.get(called, _Library()), root, bundled or called in reached)
    ]


def _is_package(called: str, library: _Library, root: str, brings: bool) -> bool:
    if library.type == "project":
        return called.partition("/")[0] == root
    if library.type == "referenceassembly" and not library.sha512 and not library.path:
        return False
    return brings


def _record(called: str) -> PackageRecord | Unread:
    name, _, version = (bounded_text(each) for each in called.partition("/"))
    if not name or not version:
        return Unread(f"no name and version of {name!r}")
    return PackageRecord(
        type=NugetCataloger.type,
        name=name,
        version=version,
        source=name.removeprefix(_PACK),
        source_version=version,
        purl=package_url(NugetCataloger.type, name, version),
    )


def _file_list(path: str, document: _Document, libraries: list[str]) -> Iterator[FileList]:
    """The files that those libraries bring: what such a file says of itself is no other package."""
    directory = path[: path.rfind("/") + 1]
    files = dict.fromkeys(
        directory + each
        for target in (document.targets or {}).values()
        for called in libraries
        if called in target
        for each in target[called].files()
        if "\n" not in each and "\r" not in each
    )
    if files:
        yield FileList(path=path, type=NugetCataloger.type, package="", files="\n".join(files))
