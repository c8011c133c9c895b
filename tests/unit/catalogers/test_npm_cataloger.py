"""Installed npm packages."""

import json

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.npm import NpmCataloger, is_found
from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.model.inventory import PackageRecord

cataloger = NpmCataloger()
PATH = "app/node_modules/x/package.json"


def record(**fields: object) -> PackageRecord:
    database = database_of(cataloger, PATH, json.dumps({"name": "x", "version": "1.0.0", **fields}).encode())
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
    """Many packages carry such files only to set the module type; some of them are not even JSON.

    Where Node finds packages it is one that could not be read.
    """
    for path in ("app/package.json", "app/node_modules/x/esm/package.json", "node_modules/x/test/node_modules/y/package.json"):
        assert database_of(cataloger, path, content) is None
    with pytest.raises(DamagedDatabaseError, match=PATH):
        database_of(cataloger, PATH, content)


@pytest.mark.parametrize(
    "content",
    [
        b'{"name":"x","version":"1","author":"Jos\xe9"}',
        b'{"author":"\xff\xfe","name":"x","version":"1"}',
        b'{"name":"x","version":"1","a":"\\ud800"}',
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b',"name":"x","version":"1"}',
        b'{"name":"x","a":' + b'{"name":' * 5000 + b"1" + b"}" * 5000 + b',"version":"1"}',
        b'{"name":"x","version":"1","a":' + b"9" * 9999 + b"}",
        b'{"name":"x","version":"1","a":1e99999}',
        b'{"name":"y","name":"x","version":"2","version":"1"}',
        b'{"name":"y","version":"2","name":"x","version":"1","a":"\xff"}',
        b'{"name":"x","version":"1",}',
        b'{"name":"x","version":"1","a":"unfinished',
        b'\t{"a":["name","version"],"b":{"name":"z"},"name" :\n"x" , "version":"1","\xe9":1}',
        b'{"n\\u0061me":"x","version":"\\u0031","a":"\xff"}',
        b'{"version":"1"}',
        b'{"version":"1","a":"\xff"}',
    ],
)
def test_what_node_or_nobody_minds_hides_no_package(content: bytes) -> None:
    """Bytes that are no UTF-8, lone surrogates, depth, numbers without end, a comma too many; the last of two members counts."""
    database = database_of(cataloger, PATH, content)
    assert database is not None
    assert [(each.name, each.version) for each in database.packages] == [("x", "1")]


def test_a_byte_order_mark_is_passed_over() -> None:
    """Editors on Windows write one."""
    assert database_of(cataloger, PATH, b'\xef\xbb\xbf{"name":"x","version":"1"}') is not None


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH, True),
        ("node_modules/x/package.json", True),
        ("app/node_modules/@s/x/package.json", True),
        ("app/package.json", True),
        ("package.json", True),
        ("app/not-package.json", False),
        ("app/node_modules/package.json/x", False),
    ],
)
def test_places(path: str, wanted: bool) -> None:
    """All are read; which of them are packages the whole image says."""
    assert cataloger.wants(path, 1) is wanted


@pytest.mark.parametrize(
    ("directory", "found"),
    [
        ("node_modules/x", True),
        ("app/node_modules/@s/x", True),
        ("app/node_modules/a/node_modules/b", True),
        ("app/node_modules/.pnpm/b@1.0.0/node_modules/b", True),
        ("app/node_modules/@s", False),
        ("app/node_modules/x/lib", False),
        ("app/node_modules/@s/x/lib", False),
        ("app/node_modules", False),
        ("app", False),
        ("my_node_modules/x", False),
    ],
)
def test_node_finds_a_package_by_its_name(directory: str, found: bool) -> None:
    """With or without a scope, and no deeper."""
    assert is_found(directory) is found


@pytest.mark.parametrize(
    ("path", "installed"),
    [
        ("node_modules/.pnpm/b@1/node_modules/@s/b/package.json", True),
        ("node_modules/a/node_modules/b/package.json", True),
        ("node_modules/a/test/node_modules/b/package.json", False),
        ("node_modules/.cache/package.json", False),
    ],
)
def test_what_is_no_package_is_said_where_installers_put_them(path: str, installed: bool) -> None:
    """A fixture may be anything, and so may what tools keep for themselves."""
    if installed:
        with pytest.raises(DamagedDatabaseError):
            database_of(cataloger, path, b"{}")
    else:
        assert database_of(cataloger, path, b"{}") is None
