"""Installed Python distributions."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.inspection.catalogers.python import PythonCataloger

cataloger = PythonCataloger()
PATH = "usr/lib/python3/dist-packages/Foo.Bar_baz-1.0.dist-info/METADATA"


def metadata(*lines: str) -> bytes:
    return "\n".join(["Metadata-Version: 2.1", "Name: Foo.Bar_baz", "Version: 1.0", *lines]).encode()


def licences(*lines: str) -> tuple[str, ...]:
    database = database_of(cataloger, PATH, metadata(*lines))
    assert database is not None
    return database.packages[0].licenses


def test_the_name_is_kept_and_its_normal_form_is_the_source() -> None:
    """PEP 503: advisories and purls use the normal form, people the written one."""
    database = database_of(cataloger, PATH, metadata("Author-email: Ann <a@example.org>"))
    assert database is not None
    assert not database.system
    (package,) = database.packages
    assert (package.name, package.source, package.purl) == ("Foo.Bar_baz", "foo-bar-baz", "pkg:pypi/foo-bar-baz@1.0")
    assert package.maintainer == "Ann <a@example.org>"


def test_an_expression_is_the_only_licence() -> None:
    """License-Expression replaced both older ways of saying it."""
    lines = ("License: BSD", "License-Expression: MIT OR Apache-2.0", "Classifier: License :: OSI Approved :: BSD License")
    assert licences(*lines) == ("MIT OR Apache-2.0",)


def test_classifiers_stand_in_for_a_licence_text() -> None:
    """Where `License` holds the whole licence, its name is in the classifiers."""
    classifiers = ("Classifier: License :: OSI Approved", "Classifier: License :: OSI Approved :: MIT License")
    assert licences("License: " + "Permission is hereby granted " * 10, *classifiers) == ("MIT License",)
    assert licences("License: UNKNOWN", *classifiers) == ("MIT License",)
    assert licences("License: BSD-3-Clause", *classifiers) == ("BSD-3-Clause",)
    assert licences() == ()


def test_a_licence_of_several_lines_is_known_by_its_words() -> None:
    """Else the classifiers have its name; its first line is the last that is taken for one."""
    text = ("License: Copyright (c) 2020", "        Somebody", "        ", "        Apache License, Version 2.0")
    classifier = "Classifier: License :: OSI Approved :: MIT License"
    assert licences(*text, classifier) == ("Apache-2.0",)
    assert licences(*text[:2], classifier) == ("MIT License",)
    assert licences(*text[:2]) == ("Copyright (c) 2020",)
    assert licences("License: MIT", "License: other", "        Apache License, Version 2.0") == ("MIT",)
    assert licences("License", "        Apache License, Version 2.0") == ()


def test_the_description_is_not_read() -> None:
    """Fields end at the first blank line; what follows is prose."""
    assert licences("", "License: GPL", "Version: 9") == ()


def test_a_continuation_is_no_field() -> None:
    """Lines that begin with a space belong to the field above."""
    database = database_of(cataloger, PATH, b"Summary: x\n Name: wrong\nName: right\nVersion: 1\n")
    assert database is not None
    assert database.packages[0].name == "right"


def test_without_a_name_or_version_there_is_no_package() -> None:
    """An .egg-info file of something else is passed over; in an installer's own place that is not known."""
    egg = "usr/lib/python3/dist-packages/notes.egg-info"
    assert database_of(cataloger, egg, b"prose\n") is None
    assert database_of(cataloger, egg, b"") is None
    for path, content in ((egg, b"Name: x\n"), ("srv/x.egg-info/PKG-INFO", b""), ("srv/.dist-info/METADATA", b"Name: x\n")):
        with pytest.raises(DamagedDatabaseError, match=path):
            database_of(cataloger, path, content)


@pytest.mark.parametrize(
    ("path", "content", "package"),
    [
        (PATH, b"", ("Foo.Bar_baz", "1.0")),
        (PATH, b"\xff\xfe\0", ("Foo.Bar_baz", "1.0")),
        (PATH, b"Name: x\n", ("x", "1.0")),
        (PATH, b"Version: 2\n", ("Foo.Bar_baz", "2")),
        ("srv/a_b-1!2.0+local.1.dist-info/METADATA", b"", ("a_b", "1!2.0+local.1")),
        ("srv/a-1.0-py3.11.egg-info/PKG-INFO", b"", ("a", "1.0")),
        ("usr/lib/python3/dist-packages/a-1.0.egg-info", b"Name: a\n", ("a", "1.0")),
        ("usr/lib/python3/dist-packages/a-1.0-py3.9.egg-info", b"", ("a", "1.0")),
        ("srv/a-1.0.DIST-INFO/METADATA", b"", ("a", "1.0")),
        (PATH, b"Name:\n x\nVersion:\n\t3\n", ("x", "3")),
        (PATH, b"NAME : x\rversion:3\r\rVersion: 4", ("x", "3")),
        (PATH, b"Summary: x\n \nName: x\nVersion: 3\n", ("x", "3")),
        (PATH, b"version\n Name: y\nName: x\nVersion: 3\nName: z\n", ("x", "3")),
    ],
)
def test_what_the_file_does_not_say_its_directory_does(path: str, content: bytes, package: tuple[str, str]) -> None:
    """Installers write name and version into both."""
    database = database_of(cataloger, path, content)
    assert database is not None
    assert [(each.name, each.version) for each in database.packages] == [package]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH, True),
        ("opt/venv/lib/python3.11/site-packages/a-1.egg-info/PKG-INFO", True),
        ("opt/a.egg/EGG-INFO/PKG-INFO", True),
        ("srv/a-1.Dist-Info/METADATA", True),
        ("srv/a-1.dist-info/metadata", False),
        ("usr/lib/python3/dist-packages/A-1.EGG-INFO", True),
        ("usr/lib/python3/dist-packages/distro_info-1.5.egg-info", True),
        ("srv/sdist/PKG-INFO", False),
        ("srv/METADATA", False),
        ("usr/lib/python3/dist-packages/six.py", False),
    ],
)
def test_places(path: str, wanted: bool) -> None:
    """Only what an installer wrote counts; an unpacked source distribution is not installed."""
    assert cataloger.wants(path, 1) is wanted
