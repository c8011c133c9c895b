"""Package URLs."""

from watcher.inspection.catalogers.catalog import CATALOGERS
from watcher.inspection.catalogers.protocol import Selection
from watcher.inspection.catalogers.purl import package_url, with_distro
from watcher.inspection.catalogers.texts import TEXTS
from watcher.model.inventory import Distro, PackageRecord


def test_the_distribution_is_namespace_and_qualifier() -> None:
    """Only the merged image knows it; without a version the qualifier is the name alone."""
    record = PackageRecord(type="deb", name="libc6", version="2.36-9+deb12u4", architecture="amd64", purl="x")
    named = with_distro(record, Distro(id="debian", version="12", known=True))
    assert named.purl == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12"
    assert with_distro(record, Distro(id="debian", known=True)).purl.endswith("&distro=debian")


def test_what_no_distributor_made_keeps_its_purl() -> None:
    """A Python package is the same in every distribution; without a distribution nothing can be added."""
    record = PackageRecord(type="pypi", name="x", version="1", purl="pkg:pypi/x@1")
    assert with_distro(record, Distro(id="debian", known=True)) is record
    unplaced = PackageRecord(type="apk", name="x", version="1", purl="pkg:apk/x@1")
    assert with_distro(unplaced, Distro()) is unplaced


def test_reserved_characters_are_encoded() -> None:
    """What separates the parts of a purl cannot stand in one; a lone surrogate is replaced."""
    assert package_url("npm", "a/b@c?d#e", "1", namespace="@s") == "pkg:npm/%40s/a%2Fb%40c%3Fd%23e@1"
    assert package_url("deb", "a\udcff", "") == "pkg:deb/a%3F"


def test_each_cataloger_says_when_to_ask_it() -> None:
    """A cataloger that selects nothing would never be asked, and each goes by one name."""
    assert all(cataloger.selection != Selection() for cataloger in CATALOGERS.values())
    assert {name: cataloger.type for name, cataloger in CATALOGERS.items()} == {name: name for name in CATALOGERS}
    assert not any(path.startswith("/") for path in TEXTS)
