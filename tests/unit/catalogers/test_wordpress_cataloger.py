"""Plugins of WordPress."""

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.wordpress import START_BYTES, WordpressCataloger

cataloger = WordpressCataloger()
PATH = "var/www/html/wp-content/plugins/akismet/akismet.php"
HEADER = b"""<?php
/**
 * Plugin Name: Akismet Anti-spam: Spam Protection
 * Plugin URI: https://akismet.com/
 * Version: 5.3-beta
 * Requires PHP Version: 7.2
 * Author: Automattic
 * License: GPLv2 or later */
"""


def test_a_plugin_is_known_by_its_header() -> None:
    """Advisories have it by its directory."""
    database = database_of(cataloger, PATH, HEADER)
    assert database is not None
    (package,) = database.packages
    assert (package.name, package.version, package.source) == ("Akismet Anti-spam: Spam Protection", "5.3-beta", "akismet")
    assert (package.licenses, package.maintainer) == (("GPLv2 or later",), "Automattic")
    assert (package.type, package.purl) == ("wordpress-plugin", "pkg:wordpress-plugin/akismet@5.3-beta")


def test_a_plugin_of_one_file_is_called_as_that() -> None:
    """It has no directory of its own."""
    database = database_of(cataloger, "wp-content/plugins/hello.php", b"<?php /*\nPlugin Name: Hello Dolly\r\nVersion: 1.7.2\r\n*/")
    assert database is not None
    assert [(each.name, each.version, each.source) for each in database.packages] == [("Hello Dolly", "1.7.2", "hello")]


@pytest.mark.parametrize(
    "content", [b"", b"<?php echo 'Version: 1';", b"<?php // Plugin Name: a", b"/* Version: 1 */", b" " * START_BYTES + HEADER]
)
def test_other_files_of_a_plugin_are_nothing(content: bytes) -> None:
    """WordPress itself looks no further."""
    assert database_of(cataloger, PATH, content) is None


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH, True),
        ("wp-content/mu-plugins/a.php", True),
        ("wp-content/plugins/akismet/views/get.php", False),
        ("wp-content/themes/a/functions.php", False),
        ("my-wp-content/plugins/a.php", False),
    ],
)
def test_files_of_plugins_are_wanted(path: str, wanted: bool) -> None:
    """Where WordPress looks for them."""
    assert cataloger.wants(path, 100) is wanted
