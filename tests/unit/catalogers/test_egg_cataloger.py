"""Distributions of Python that are one zip each."""

from typing import Any

import pytest

from tests.doubles.archives import jar
from tests.doubles.cataloging import database_of, facts_of
from watcher.inspection.catalogers.egg import EggCataloger
from watcher.inspection.catalogers.protocol import PartlyReadError

cataloger = EggCataloger()
PATH = "usr/lib/python3/dist-packages/Flask_Cors-3.0-py3.8.egg"
INFO = "EGG-INFO/PKG-INFO"
METADATA = b"Metadata-Version: 1.0\nName: Flask-Cors\nVersion: 3.0.1\nLicense: MIT\n\ntext\n"


def packages(content: bytes, path: str = PATH) -> list[tuple[Any, ...]]:
    database = database_of(cataloger, path, content)
    return [(each.type, each.name, each.version, each.licenses, each.purl) for each in database.packages] if database else []


@pytest.mark.parametrize("written", [{}, {"stored": True}, {"sizes_behind": True}, {"prefix": b"#!/bin/sh\n"}])
def test_an_egg_is_what_its_metadata_say(written: dict[str, Any]) -> None:
    """However the zip was written, with a script before it as well."""
    content = jar({"flask_cors/__init__.py": b"x = 1\n", INFO: METADATA, "EGG-INFO/top_level.txt": b"flask_cors\n"}, **written)
    assert packages(content) == [("pypi", "Flask-Cors", "3.0.1", ("MIT",), "pkg:pypi/flask-cors@3.0.1")]


def test_without_metadata_it_is_what_it_is_called() -> None:
    """As setuptools takes it; metadata of something else in it are not its own."""
    content = jar({"x.py": b"", f"vendored/{INFO}": METADATA})
    assert packages(content) == [("pypi", "Flask_Cors", "3.0", (), "pkg:pypi/flask-cors@3.0")]


def test_a_file_that_is_no_zip_is_of_something_else() -> None:
    """Of another language, say."""
    assert packages(b"(module (name cors))\n") == []
    assert packages(b"") == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (jar({INFO: METADATA})[:-30], "it ends before"),
        (jar({INFO: METADATA}, stored=True).replace(b"EGG-INFO/PKG-INFO", b"EGG-INFO/PKG-INF0", 1), "does not list"),
    ],
)
def test_an_egg_that_cannot_be_read_whole_is_known_as_one(content: bytes, why: str) -> None:
    """With what is known of it all the same."""
    with pytest.raises(PartlyReadError, match=why) as raised:
        facts_of(cataloger, PATH, content)
    assert [each.version[:3] for database in raised.value.facts for each in database.packages] == ["3.0"]


def test_of_two_entries_with_metadata_only_one_is_unpacked() -> None:
    """Python takes the one that the directory lists last, which is not known yet: it is said."""
    twice = jar({INFO: METADATA, "EGG-INFO/PKG-INF0": b"Name: other\nVersion: 9\n"}).replace(b"PKG-INF0", b"PKG-INFO")
    with pytest.raises(PartlyReadError, match="two entries"):
        facts_of(cataloger, PATH, twice)


def test_metadata_are_bounded() -> None:
    """In what is held of them; nothing is at hand of those that inflate without an end."""
    database = database_of(cataloger, PATH, jar({INFO: METADATA + b" " * 5_000_000}))
    assert database is not None
    assert database.packages[0].version == "3.0.1"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH, True),
        ("site-packages/a.egg", True),
        ("usr/lib/python3.8/test/data/a.egg", False),
        ("site-packages/a.egg/EGG-INFO/PKG-INFO", False),
        ("site-packages/a/b.egg", False),
    ],
)
def test_places(path: str, wanted: bool) -> None:
    """Where installers put them."""
    assert cataloger.wants(path, 5) == wanted
