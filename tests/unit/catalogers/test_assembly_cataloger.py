"""Programs for Windows, by what they say of their version."""

import pytest

from tests.doubles.cataloging import database_of, facts_of
from tests.doubles.programs_for_windows import ADDRESS, AT, assembly, program
from watcher.inspection.catalogers.assembly import AssemblyCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.model.inventory import PackageRecord

cataloger = AssemblyCataloger()


def record(content: bytes, path: str = "app/Some.dll") -> PackageRecord | None:
    database = database_of(cataloger, path, content)
    if database is None:
        return None
    (package,) = database.packages
    return package


def called(path: str = "app/Some.dll", **texts: str) -> str:
    package = record(assembly(**texts), path)
    return f"{package.name} {package.version}" if package else ""


def test_an_assembly_is_a_package_of_nuget() -> None:
    """By what its makers call it."""
    package = record(assembly(ProductName="Json.NET", ProductVersion="13.0.3", CompanyName="Newtonsoft"))
    assert package is not None
    assert (package.type, package.name, package.version) == ("nuget", "Json.NET", "13.0.3")
    assert (package.purl, package.maintainer) == ("pkg:nuget/Json.NET@13.0.3", "Newtonsoft")


def test_another_program_is_one_of_no_ecosystem() -> None:
    """The launchers that come with pip are no assemblies."""
    package = record(program({"ProductName": "Simple Launcher", "ProductVersion": "1.1.0.14"}, managed=False), "pip/t64.exe")
    assert package is not None
    assert (package.type, package.purl) == ("generic", "pkg:generic/Simple%20Launcher@1.1.0.14")
    assert record(program({"ProductVersion": "1.1.0.14"}, managed=False), "pip/t64.exe") is None


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"ProductName": "Serilog", "FileDescription": "Text"}, "Serilog"),
        ({"FileDescription": "Text", "InternalName": "a.dll"}, "Text"),
        ({"ProductName": "Microsoft Product", "FileDescription": "System.Xml", "InternalName": "x"}, "System.Xml"),
        ({"ProductName": "x", "CompanyName": "Microsoft Corporation", "InternalName": "System.Xml.dll"}, "System.Xml.dll"),
        ({"ProductName": "Serilog (net8.0)"}, "Serilog"),
        ({"ProductName": "Serilog (netstandard2.0)"}, "Serilog"),
        ({"ProductName": " A \xa0 B\r\n\x01C "}, "A BC"),
        ({"ProductName": " "}, "Some"),
        ({}, "Some"),
    ],
)
def test_its_name_is_the_first_that_says_something(texts: dict[str, str], name: str) -> None:
    """What Microsoft makes is of few products and says in its description what it is."""
    assert called(**texts, ProductVersion="1.0") == f"{name} 1.0"


@pytest.mark.parametrize(
    ("product", "file", "version"),
    [
        ("1.2.3", "1.2.3", "1.2.3"),
        ("13.0.3+0a2e29", "13.0.3.27908", "13.0.3.27908"),
        ("2.0.0", "1.9.9.9", "2.0.0"),
        ("1.0.0-beta.2", "1.0.0", "1.0.0"),
        ("1.0.0-beta.2", "1.0.0-beta.1", "1.0.0-beta.2"),
        ("8.0.724.31311 @Commit: 0123", "8.0.724.31311", "8.0.724.31311"),
        ("1.0", "1.0.0.0", "1.0.0.0"),
        ("3, 2, 1", "3.2.1", "3, 2, 1"),
        ("built 7", "1.0.0", "1.0.0"),
        ("", "4.5", "4.5"),
        ("none", "7", "7"),
        ("5", "none", "5"),
    ],
)
def test_of_two_versions_the_later_or_longer_one_counts(product: str, file: str, version: str) -> None:
    """As syft has it."""
    assert called(ProductName="a", ProductVersion=product, FileVersion=file) == f"a {version}"


def test_of_what_microsoft_makes_the_products_version_counts() -> None:
    """That of the file says when it was built."""
    texts = {"FileDescription": "System.Xml", "CompanyName": "Microsoft Corporation"}
    assert called(**texts, ProductVersion="8.0.1+abc", FileVersion="8.0.123.58001") == "System.Xml 8.0.1"
    assert called(**texts, ProductVersion="8.0.1", FileVersion="4.700.22.11601") == "System.Xml 8.0.1"


def test_a_version_may_be_there_as_numbers_alone() -> None:
    """Every program has it so."""
    package = record(program({"ProductName": "a"}, fixed=(4, 3, 2, 1)))
    assert package is not None
    assert package.version == "4.3.2.1"


def test_the_assemblies_of_a_runtime_are_of_one_package() -> None:
    """Of the version that their directory is called; another maker's there is its own."""
    path = "usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.1/System.Xml.dll"
    texts = {"FileDescription": "System.Xml", "ProductVersion": "8.0.1"}
    assert called(path, **texts, CompanyName="Microsoft Corporation") == "Microsoft.NETCore.App 8.0.1"
    assert called(path, **texts) == "System.Xml 8.0.1"


@pytest.mark.parametrize("piece", [1, 1000, 65_536, 65_537, 100_000])
def test_resources_are_kept_wherever_they_are(piece: int) -> None:
    """Icons are before them, and the code before those."""
    content = program({"ProductName": "a", "ProductVersion": "1.0"}, before=bytes(90_000))
    assert len(facts_of(cataloger, "a.dll", content, piece=piece)) == 1
    moved = content[:AT].replace(AT.to_bytes(4, "little"), (200_000).to_bytes(4, "little"))
    content = moved + bytes(200_000 - AT) + content[AT:]
    assert len(facts_of(cataloger, "a.dll", content, piece=piece)) == 1


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"MZ", b"#!/bin/sh\n", b"MZ" + bytes(100), assembly()[:200]),
        assembly(ProductName="a", ProductVersion="x").replace(b"\xbd\x04\xef\xfe", bytes(4)),
        assembly(ProductName="a", ProductVersion="1").replace(b"PE\0\0\x4c", b"NE\0\0\x4c"),
        assembly(ProductName="a", ProductVersion="1").replace(b"\x0b\x01", b"\x07\x01"),
        assembly(ProductName="a", ProductVersion="1").replace(ADDRESS.to_bytes(4, "little"), b"\xff\xff\xff\x7f", 1),
    ],
)
def test_what_says_no_version_is_nothing(content: bytes) -> None:
    """Files of any kind may be called so."""
    assert facts_of(cataloger, "a.dll", content) == ()


def test_an_assembly_that_ends_early_is_an_error() -> None:
    """Nothing else says what it is."""
    content = assembly(ProductName="a", ProductVersion="1.0")
    with pytest.raises(DamagedDatabaseError):
        facts_of(cataloger, "a.dll", content[:-1])
    assert facts_of(cataloger, "a.dll", program({"ProductName": "a", "ProductVersion": "1.0"}, managed=False)[: AT + 8]) == ()


def test_directories_that_lead_in_circles_end() -> None:
    """Each is entered three deep and no further."""
    content = bytearray(assembly(ProductName="a", ProductVersion="1.0"))
    content[AT + 20 : AT + 24] = (1 << 31).to_bytes(4, "little")
    assert facts_of(cataloger, "a.dll", bytes(content)) == ()


@pytest.mark.parametrize("path", ["a.dll", "a.DLL", "x/a.exe", "x/a.EXE"])
def test_libraries_and_programs_are_wanted(path: str) -> None:
    """Of any size that a file has."""
    assert cataloger.wants(path, 1 << 31)
    assert not cataloger.wants(f"{path}.config", 100)
