"""What building left in an image is known by its place, with its size and the layer that brought it."""

import pytest

from watcher.model.inventory import DIRECTORY, FILE, SYMLINK, FileTable
from watcher.model.leftovers import MAX_LEFTOVERS, Leftover, leftovers


def table(*rows: tuple[str, int, int]) -> FileTable:
    """Of files: path, size, layer."""
    paths, sizes, layers = ([*column] for column in zip(*rows, strict=True))
    count = len(rows)
    files = FileTable(path=paths, kind=[FILE] * count, size=sizes, layer=layers)
    for column in (files.mode, files.uid, files.gid):
        column.extend([0] * count)
    files.link.extend([""] * count)
    return files


@pytest.mark.parametrize(
    ("path", "tool", "place"),
    [
        ("var/cache/apt/archives/curl_7.88.1_amd64.deb", "apt", "var/cache/apt"),
        ("var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease", "apt", "var/lib/apt/lists"),
        ("var/cache/apk/APKINDEX.1a2b3c4d.tar.gz", "apk", "var/cache/apk"),
        ("etc/apk/cache/zlib-1.3.1-r2.apk", "apk", "etc/apk/cache"),
        ("var/cache/dnf/baseos-1/repodata/x-primary.xml.gz", "dnf", "var/cache/dnf"),
        ("root/.cache/pip/http-v2/0/a/body", "pip", "root/.cache/pip"),
        ("home/app/.npm/_cacache/index-v5/00/ff", "npm", "home/app/.npm/_cacache"),
        (".npm/_cacache/index-v5/00/ff", "npm", ".npm/_cacache"),
        ("usr/local/share/.cache/yarn/v6/x", "yarn", "usr/local/share/.cache/yarn"),
        ("go/pkg/mod/cache/download/x.zip", "go", "go/pkg/mod"),
        ("usr/local/cargo/registry/cache/x/a.crate", "cargo", "usr/local/cargo/registry"),
        ("root/.m2/repository/a/b/1/b-1.jar", "maven", "root/.m2/repository"),
    ],
)
def test_files_of_a_cache(path: str, tool: str, place: str) -> None:
    """A file of a package manager's cache is listed by the cache's directory."""
    expected = Leftover(kind="package-cache", tool=tool, path=place, files=1, size=7, layer=2)
    assert leftovers(table((path, 7, 2))) == (expected,)


@pytest.mark.parametrize(
    ("path", "tool"),
    [
        ("root/.bash_history", "bash"),
        (".ash_history", "ash"),
        ("var/lib/postgresql/.psql_history", "psql"),
        ("home/app/.local/share/fish/fish_history", "fish"),
    ],
)
def test_histories(path: str, tool: str) -> None:
    """A history is listed wherever a home may be."""
    expected = Leftover(kind="shell-history", tool=tool, path=path, files=1, size=7, layer=0)
    assert leftovers(table((path, 7, 0))) == (expected,)


@pytest.mark.parametrize(
    "path",
    [
        "var/cache/aptitude/x",
        "srv/var/cache/apt/archives/x.deb",
        "var/cache/apt",
        "root/.cache/pipx/x",
        "root/x.bash_history",
        "root/.bash_history/x",
        "root/.bash_history\n",
        "usr/share/doc/.bash_history.gz",
        "usr/lib/x.npm/_cacache/x",
    ],
)
def test_what_looks_like_it(path: str) -> None:
    """What only begins or ends as one does is none."""
    assert leftovers(table((path, 7, 0))) == ()


def test_caches_are_summed_once_a_layer() -> None:
    """What two layers brought to a cache is told apart, and the largest comes first."""
    files = table(("var/cache/apt/a", 1, 0), ("var/cache/apt/b", 2, 1), ("var/cache/apt/c", 4, 1), ("var/cache/apt/empty", 0, 1))
    assert [(each.layer, each.files, each.size) for each in leftovers(files)] == [(1, 2, 6), (0, 1, 1)]


def test_only_files_count() -> None:
    """Directories, and links, have no content of their own."""
    files = table(("var/cache/apt/archives", 4096, 0), ("var/cache/apk/x", 9, 0))
    files.kind[:] = [DIRECTORY, SYMLINK]
    assert leftovers(files) == ()


def test_there_may_be_too_many() -> None:
    """Of more than anyone looks through the largest are listed."""
    files = table(*((f"home/{number}/.bash_history", number + 1, 0) for number in range(MAX_LEFTOVERS + 5)))
    found = leftovers(files)
    assert len(found) == MAX_LEFTOVERS
    assert found[0].size == MAX_LEFTOVERS + 5
