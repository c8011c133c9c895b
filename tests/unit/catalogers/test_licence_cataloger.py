"""Texts of licences beside the metadata of packages of Python and npm."""

import pytest

from tests.doubles.cataloging import facts_of
from watcher.inspection.catalogers.licence import LicenceCataloger, described_directory
from watcher.model.inventory import Note

cataloger = LicenceCataloger()
PATH = "app/node_modules/left-pad/LICENSE"
CC0 = b"CC0 1.0 Universal\n"


@pytest.mark.parametrize(
    ("path", "directory"),
    [
        (PATH, "app/node_modules/left-pad"),
        ("node_modules/@scope/a/licence.md", "node_modules/@scope/a"),
        ("app/node_modules/.pnpm/a@1/node_modules/a/COPYING", "app/node_modules/.pnpm/a@1/node_modules/a"),
        ("lib/site-packages/a-1.dist-info/LICENSE.txt", "lib/site-packages/a-1.dist-info"),
        ("lib/site-packages/a-1.dist-info/licenses/LICENSE.APACHE", "lib/site-packages/a-1.dist-info"),
        ("src/A.egg-info/LICENSE-MIT", "src/A.egg-info"),
        ("lib/site-packages/pip/_vendor/tomli_w/LICENSE", "lib/site-packages/pip/_vendor/tomli_w"),
        ("a.egg/EGG-INFO/License.rst", "a.egg/EGG-INFO"),
    ],
)
def test_the_text_of_a_package_is_read(path: str, directory: str) -> None:
    """However large it is: no more than its beginning is looked at."""
    assert cataloger.wants(path, 1 << 24)
    assert described_directory(path) == directory


@pytest.mark.parametrize(
    "path",
    [
        "app/LICENSE",
        "app/node_modules/LICENSE",
        "app/node_modules/@scope/LICENSE",
        "app/node_modules/a/lib/LICENSE",
        "app/node_modules/a/licence.js",
        "lib/a-1.dist-info/licenses/vendored/b/LICENSE",
        "lib/a-1.dist-info/METADATA",
    ],
)
def test_other_texts_are_not_read(path: str) -> None:
    """They are of something else in the package, or of no package."""
    assert not cataloger.wants(path, 5)


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_a_text_says_its_licences_in_a_note(piece: int) -> None:
    """In whatever pieces it comes; one that nobody knows says nothing."""
    assert facts_of(cataloger, PATH, CC0, piece=piece) == (Note(path=PATH, type="licence", licenses=("CC0-1.0",)),)
    assert facts_of(cataloger, PATH, b"All rights reserved.", piece=piece) == ()


def test_only_the_beginning_counts() -> None:
    """What follows may be what the package has copies of, without an end."""
    assert facts_of(cataloger, PATH, b" " * 100_000 + CC0) == ()
