"""Packages that documents in an image list."""

from watcher.inspection.image.embedded_sboms import without_repetitions
from watcher.model.inventory import PackageRecord


def package(name: str, version: str = "1", source: str = "") -> PackageRecord:
    return PackageRecord(type="pypi", name=name, version=version, source=source)


def test_what_is_there_itself_is_shown_there() -> None:
    """And what two documents list once."""
    databases = {
        ("site-packages/a.dist-info/METADATA", "pypi"): {package("A", source="a"): 1},
        ("b.cdx.json", "sbom"): {package("a"): 0, package("b"): 0, package("a", "2"): 0},
        ("c.cdx.json", "sbom"): {package("b"): 0},
    }
    found = without_repetitions(databases)
    assert found == {
        ("site-packages/a.dist-info/METADATA", "pypi"): {package("A", source="a"): 1},
        ("b.cdx.json", "sbom"): {package("b"): 0, package("a", "2"): 0},
    }


def test_an_image_without_documents_is_as_it_was() -> None:
    """Nothing is looked at."""
    databases = {("a", "pypi"): {package("a"): 0}}
    assert without_repetitions(databases) is databases
