"""Assemblies of .NET as parts of packages that an image has lists of."""

from dataclasses import replace

from watcher.inspection.image.merge import merge
from watcher.model.digest import digest_of
from watcher.model.inventory import FILE, FileList, FileTable, LayerFacts, PackageDatabase, PackageRecord

RUNTIME = "usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1"


def database(path: str, name: str, version: str = "1.0", kind: str = "assembly") -> PackageDatabase:
    return PackageDatabase(path=path, type=kind, packages=(PackageRecord(type="nuget", name=name, version=version),))


def layer(*databases: PackageDatabase, listed: tuple[FileList, ...] = ()) -> LayerFacts:
    table = FileTable()
    for each in databases:
        for column, value in (("path", each.path), ("kind", FILE), ("mode", 0o644), ("link", "")):
            getattr(table, column).append(value)
        for column in ("uid", "gid", "size"):
            getattr(table, column).append(0)
    return LayerFacts(
        digest=digest_of(repr(databases).encode()),
        compressed_bytes=0,
        plain_bytes=0,
        files=table,
        databases=databases,
        file_lists=listed,
    )


def packages(*layers: LayerFacts) -> list[str]:
    found = merge(layers).databases
    return sorted(f"{record.name} {record.version} in {path}" for (path, _), records in found.items() for record in records)


def test_what_a_package_brings_is_no_package_of_its_own() -> None:
    """Whichever layer has it; what no list has is one."""
    files = FileList(path="app/a.deps.json", type="nuget", package="", files="app/A.dll\napp/de/A.resources.dll")
    listing = layer(database("app/a.deps.json", "A", kind="nuget"), listed=(files,))
    below = replace(layer(database("app/A.dll", "The A"), database("app/B.dll", "B")), programs=("app/A.dll",))
    assert merge([below, listing]).programs == ()
    assert packages(below, listing) == ["A 1.0 in app/a.deps.json", "B 1.0 in app/B.dll"]


def test_a_list_that_is_gone_counts_no_more() -> None:
    """Another file is in its place."""
    files = FileList(path="app/a.deps.json", type="nuget", package="", files="app/A.dll")
    below = layer(database("app/a.deps.json", "A", kind="nuget"), database("app/A.dll", "A"), listed=(files,))
    above = layer(database("app/a.deps.json", "B", kind="nuget"))
    assert packages(below, above) == ["A 1.0 in app/A.dll", "B 1.0 in app/a.deps.json"]


def test_a_list_is_not_whose_a_file_is() -> None:
    """Only a distribution's packages are owners: what they own is theirs to keep up to date."""
    files = FileList(path="app/a.deps.json", type="nuget", package="A", files="app/libz.so")
    program = PackageDatabase(
        path="app/libz.so", type="native", packages=(PackageRecord(type="generic", name="zlib", version="1.2.11"),)
    )
    merged = merge([layer(database("app/a.deps.json", "A", kind="nuget"), program, listed=(files,))])
    assert merged.owners.of("app/libz.so") == ""
    assert ("app/libz.so", "native") in merged.databases


def test_the_assemblies_of_a_runtime_are_listed_once() -> None:
    """Each directory of them, unless its list has the runtime already."""
    parts = [database(f"{RUNTIME}/{each}.dll", "Microsoft.NETCore.App", "8.0.1") for each in ("A", "B")]
    elsewhere = database("opt/Microsoft.NETCore.App/8.0.1/A.dll", "Microsoft.NETCore.App", "8.0.1")
    assert packages(layer(*parts, elsewhere)) == [
        "Microsoft.NETCore.App 8.0.1 in opt/Microsoft.NETCore.App/8.0.1/A.dll",
        f"Microsoft.NETCore.App 8.0.1 in {RUNTIME}/A.dll",
    ]
    runtime = database(f"{RUNTIME}/x.deps.json", "Microsoft.NETCore.App.Runtime.linux-x64", "8.0.1", "nuget")
    assert packages(layer(*parts, runtime)) == [f"Microsoft.NETCore.App.Runtime.linux-x64 8.0.1 in {RUNTIME}/x.deps.json"]
