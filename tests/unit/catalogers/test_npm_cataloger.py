"""Installed npm packages."""

import json

import pytest

from watcher.inspection.catalogers.npm import NpmCataloger
from watcher.model.inventory import PackageRecord

cataloger = NpmCataloger()
PATH = "app/node_modules/x/package.json"


def record(**fields: object) -> PackageRecord:
    database = cataloger.read(PATH, json.dumps({"name": "x", "version": "1.0.0", **fields}).encode())
    assert database is not None
    (package,) = database.packages
    return package


def test_a_scope_is_the_namespace_of_the_purl() -> None:
    """The name stays whole, since that is what advisories have."""
    package = record(name="@babel/core", version="7.24.0+build.1", author={"name": "The Babel Team", "url": "https://babel.dev"})
    assert (package.name, package.source) == ("@babel/core", "@babel/core")
    assert package.purl == "pkg:npm/%40babel/core@7.24.0%2Bbuild.1"
    assert package.maintainer == "The Babel Team"


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        ({"license": "(MIT OR Apache-2.0)"}, ("(MIT OR Apache-2.0)",)),
        ({"license": {"type": "BSD", "url": "https://example.org"}}, ("BSD",)),
        ({"licenses": [{"type": "MIT"}, "GPL-2.0", {"type": "MIT"}]}, ("MIT", "GPL-2.0")),
        ({"license": ["MIT"]}, ("MIT",)),
        ({"license": 7}, ()),
        ({"licenses": [None, {}, []]}, ()),
        ({}, ()),
    ],
)
def test_licences_of_every_age(fields: dict[str, object], licences: tuple[str, ...]) -> None:
    """Text, object or list: all of them are still published."""
    assert record(**fields).licenses == licences


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"type":"module"}',
        b'{"name":"x"}',
        b'{"name":1,"version":2}',
        b"[" * 100_000,
        b'{"a":' + b"9" * 9999 + b"}",
    ],
)
def test_what_has_no_name_and_version_is_no_package(content: bytes) -> None:
    """Many packages carry such files only to set the module type; some of them are not even JSON."""
    assert cataloger.read(PATH, content) is None


def test_a_byte_order_mark_is_passed_over() -> None:
    """Editors on Windows write one."""
    assert cataloger.read(PATH, b'\xef\xbb\xbf{"name":"x","version":"1"}') is not None


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH, True),
        ("node_modules/x/package.json", True),
        ("app/node_modules/@s/x/package.json", True),
        ("app/package.json", False),
        ("app/not_node_modules/x/package.json", False),
    ],
)
def test_places(path: str, wanted: bool) -> None:
    """A project's own package.json says what it is, not what is installed."""
    assert cataloger.wants(path, 1) is wanted
