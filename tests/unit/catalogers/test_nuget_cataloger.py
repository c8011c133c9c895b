"""Packages that applications of .NET list as what they depend on."""

import json
from collections.abc import Mapping

import pytest

from tests.doubles.cataloging import facts_of
from watcher.inspection.catalogers.nuget import MAX_BYTES, MAX_COMMAS, NugetCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError, PartlyReadError
from watcher.model.inventory import FileList, PackageDatabase

cataloger = NugetCataloger()
PATH = "app/shop.deps.json"


def listing(libraries: dict[str, str] | None = None, **targets: Mapping[str, object]) -> bytes:
    """`libraries` have the type of each that is no package."""
    known = {called: {"type": kind, "sha512": "", "path": None} for called, kind in (libraries or {}).items()}
    return json.dumps({"runtimeTarget": {"name": "t"}, "targets": targets, "libraries": known}).encode()


def found(content: bytes, path: str = PATH) -> tuple[set[str], set[str]]:
    """Packages as NAME@VERSION, and the files that they bring."""
    facts = facts_of(cataloger, path, content)
    packages = {f"{each.name}@{each.version}" for fact in facts if isinstance(fact, PackageDatabase) for each in fact.packages}
    files = {each for fact in facts if isinstance(fact, FileList) for each in fact.files.split("\n")}
    return packages, files


def test_what_an_application_runs_with_is_found() -> None:
    """Itself too, and what it brings for other systems; not its other projects, nor what only its compiler had."""
    content = listing(
        {"shop/1.0.0": "project", "parts/1.0.0": "project", "Ref/8.0.0": "referenceassembly", "Dapper/2.1.35": "package"},
        t={
            "shop/1.0.0": {"dependencies": {"Dapper": "2.1.35"}, "runtime": {"shop.dll": {}}},
            "parts/1.0.0": {"runtime": {"parts.dll": {}}},
            "Ref/8.0.0": {"compile": {"Ref.dll": {}}},
            "Analyzers/3.3.4": {},
            "Dapper/2.1.35": {
                "runtime": {"lib/net7.0/Dapper.dll": {"assemblyVersion": "2.0.0.0"}},
                "resources": {"lib/net7.0/de/Dapper.resources.dll": {"locale": "de"}},
            },
            "sqlite/2.1.6": {"runtimeTargets": {"runtimes/linux-x64/native/libe_sqlite3.so": {"rid": "linux-x64"}}},
        },
    )
    packages, files = found(content)
    assert packages == {"shop@1.0.0", "Dapper@2.1.35", "sqlite@2.1.6"}
    assert files == {
        *("app/shop.dll", "app/Dapper.dll", "app/de/Dapper.resources.dll"),
        "app/runtimes/linux-x64/native/libe_sqlite3.so",
    }


def test_a_package_that_only_needs_others_is_found() -> None:
    """However far down the one with a file is, and though they need each other."""
    content = listing(
        t={
            "A/1.0": {"dependencies": {"B": "1.0"}},
            "B/1.0": {"dependencies": {"A": "1.0", "C": "1.0"}},
            "C/1.0": {"native": {"c.so": {}}},
            "D/1.0": {"dependencies": {"E": "1.0"}},
            "E/1.0": {"dependencies": {"D": "1.0"}},
        }
    )
    assert found(content)[0] == {"A@1.0", "B@1.0", "C@1.0"}


def test_what_was_put_into_another_assembly_is_found() -> None:
    """Its file is not there, and the tool that did it is."""
    assert found(listing(t={"Fody/6.8.0": {}, "A/1.0": {}}))[0] == {"Fody@6.8.0", "A@1.0"}


def test_a_runtime_is_looked_up_by_the_name_of_its_package() -> None:
    """Advisories have it without what says that it was put beside an application."""
    called = "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64"
    content = listing({f"{called}/8.0.1": "runtimepack"}, t={f"{called}/8.0.1": {"runtime": {"System.Xml.dll": {}}}})
    (database, _) = facts_of(cataloger, PATH, content)
    assert [(each.name, each.source) for each in database.packages] == [(called, "Microsoft.NETCore.App.Runtime.linux-x64")]
    assert database.packages[0].purl == f"pkg:nuget/{called}@8.0.1"


def test_a_package_of_two_targets_is_one() -> None:
    """Each target has files of it."""
    content = listing(one={"A/1.0": {"runtime": {"one/a.dll": {}}}}, two={"A/1.0": {"runtime": {"two/a.dll": {}}}})
    assert found(content) == ({"A@1.0"}, {"app/one/a.dll", "app/two/a.dll"})


@pytest.mark.parametrize("content", [b"{}", b'{"targets": null}', b'{"name": "x"}', b'{"targets": {}}', b'{"targets": {"t": {}}}'])
def test_what_lists_no_package_is_nothing(content: bytes) -> None:
    """Another tool may call its file so."""
    assert facts_of(cataloger, PATH, content) == ()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"targets": []}', b'{"targets": {"t": 1}}', b"[" * 100_000])
def test_what_is_no_list_is_an_error(content: bytes) -> None:
    """What it is called is nobody else's."""
    with pytest.raises(DamagedDatabaseError):
        cataloger.read(PATH, content)


def test_a_library_without_a_version_is_said() -> None:
    """The others are there."""
    with pytest.raises(PartlyReadError) as caught:
        cataloger.read(PATH, listing(t={"A": {"native": {"a": {}}}, "B/1": {"native": {"b": {}}}}))
    assert [each.name for each in caught.value.facts[0].packages] == ["B"]


def test_more_values_than_anyone_has_are_not_read() -> None:
    """They would take more memory than there is."""
    with pytest.raises(DatabaseTooLargeError):
        cataloger.read(PATH, b"," * (MAX_COMMAS + 1))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("app/shop.deps.json", True), ("shop.deps.json", True), ("app/deps.json", False), ("app/shop.deps.json.bak", False)],
)
def test_lists_of_any_application_are_wanted(path: str, wanted: bool) -> None:
    """Wherever it is."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
