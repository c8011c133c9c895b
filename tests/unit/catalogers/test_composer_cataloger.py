"""PHP packages that Composer installed."""

import json

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.composer import MAX_BYTES, MAX_COMMAS, ComposerCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError, DatabaseTooLargeError, PartlyReadError
from watcher.inspection.catalogers.stanzas import MAX_PACKAGES
from watcher.model.inventory import PackageRecord

cataloger = ComposerCataloger()
PATH = "srv/app/vendor/composer/installed.json"
CONSOLE = {
    "name": "symfony/console",
    "version": "v6.4.8",
    "version_normalized": "6.4.8.0",
    "type": "library",
    "license": ["MIT"],
    "authors": [{"name": "Fabien Potencier", "email": "fabien@symfony.com"}],
    "require": {"php": ">=8.1"},
}


def packages(document: object, path: str = PATH) -> tuple[PackageRecord, ...]:
    database = database_of(cataloger, path, json.dumps(document).encode())
    return database.packages if database else ()


@pytest.mark.parametrize("document", [[CONSOLE], {"packages": [CONSOLE], "dev": True, "dev-package-names": []}])
def test_both_forms_are_read(document: object) -> None:
    """Of Composer 1 and 2. The version is as it is written: a `v` is part of the tag, and advisories have it or not."""
    (package,) = packages(document)
    assert (package.type, package.name, package.version, package.source) == (
        "composer",
        "symfony/console",
        "v6.4.8",
        "symfony/console",
    )
    assert (package.licenses, package.maintainer) == (("MIT",), "Fabien Potencier")
    assert package.purl == "pkg:composer/symfony/console@v6.4.8"


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        ({"license": "GPL-2.0-or-later"}, ("GPL-2.0-or-later",)),
        ({"license": ["LGPL-2.1", "GPL-3.0+", "LGPL-2.1"]}, ("LGPL-2.1", "GPL-3.0+")),
        ({"license": [None, 7, {}]}, ()),
        ({"license": None, "authors": "x"}, ()),
        ({"authors": [7]}, ()),
    ],
)
def test_licences_of_every_shape(fields: dict[str, object], licences: tuple[str, ...]) -> None:
    """A text or a list of them."""
    (package,) = packages([{"name": "a/b", "version": "1", **fields}])
    assert package.licenses == licences
    assert package.maintainer == ""


def test_the_names_in_a_purl_are_of_lower_case() -> None:
    """As ECMA-427 has it for this type; the name itself stays as it is written."""
    (package,) = packages([{"name": "Acme/Tool", "version": "dev-main"}])
    assert (package.name, package.purl) == ("Acme/Tool", "pkg:composer/acme/tool@dev-main")


def test_a_package_that_cannot_be_read_is_told() -> None:
    """The others are known."""
    with pytest.raises(PartlyReadError, match=r"no name and version of 'a/b' \(and 3 more like it\)") as raised:
        packages({"packages": [{"name": "a/b"}, 7, {"version": "1"}, [], CONSOLE]})
    assert [each.name for each in raised.value.facts[0].packages] == ["symfony/console"]


@pytest.mark.parametrize("document", ["x", 7, None, {}, {"packages": 7}, {"packages": {"a": 1}}])
def test_what_is_no_list_of_packages_is_an_error_in_its_place(document: object) -> None:
    """Elsewhere it is another file of that name."""
    with pytest.raises(DamagedDatabaseError, match="no list of Composer's packages"):
        packages(document)
    assert packages(document, "srv/plugins/installed.json") == ()


def test_elsewhere_only_packages_count() -> None:
    """A list of other things is none of Composer's."""
    assert packages([{"id": 1}, "x"], "srv/installed.json") == ()
    assert [each.name for each in packages([CONSOLE, {"id": 1}], "srv/installed.json")] == ["symfony/console"]
    assert packages([]) == ()


@pytest.mark.parametrize("content", [b"", b"[", b"[" * 100_000, b'[{"name":"\xff"}]', b'{"packages":' * 5000])
def test_bytes_that_are_no_json_are_an_error(content: bytes) -> None:
    """Whatever is wrong with them."""
    with pytest.raises((DamagedDatabaseError, PartlyReadError)):
        cataloger.read(PATH, content)


def test_more_than_anyone_installs_is_not_built() -> None:
    """Neither packages nor what one of them holds."""
    with pytest.raises(DatabaseTooLargeError, match="packages"):
        cataloger.read(PATH, b"[" + b"{}," * MAX_PACKAGES + b"{}]")
    with pytest.raises(DatabaseTooLargeError, match="values"):
        cataloger.read(PATH, b'[{"name":[' + b"0," * (MAX_COMMAS + 1) + b"0]}]")
    assert not cataloger.wants(PATH, MAX_BYTES + 1)


def test_a_byte_order_mark_is_nothing() -> None:
    """As PHP's own editors may leave it."""
    assert cataloger.read(PATH, b"\xef\xbb\xbf" + json.dumps([CONSOLE]).encode()) != ()
