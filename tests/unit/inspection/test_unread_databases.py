"""Packages that nobody reads here, and package.json files that are none: what an image is said to have, and what not."""

import pytest

from watcher.inspection.image.installed import packages_of
from watcher.inspection.image.merge import MergedImage, merge
from watcher.model.digest import digest_of
from watcher.model.inventory import DIRECTORY, FILE, SYMLINK, Distro, FileTable, LayerFacts, PackageDatabase, PackageRecord


def merged(*rows: str, databases: dict[str, str] | None = None) -> MergedImage:
    """`path`, `path/` and `path -> target`; `databases` are read, of the type given, with one package called like its path."""
    databases = databases or {}
    files = FileTable()
    for row in (*rows, *databases):
        path, _, target = row.partition(" -> ")
        files.path.append(path.rstrip("/"))
        files.kind.append(SYMLINK if target else DIRECTORY if path.endswith("/") else FILE)
        files.link.append(target)
        for column in (files.mode, files.uid, files.gid, files.size):
            column.append(0)
    read = tuple(
        PackageDatabase(
            path=path, type=kind, packages=(PackageRecord(type=kind, name=path, version="1"),), system=kind in ("deb", "apk")
        )
        for path, kind in databases.items()
    )
    facts = LayerFacts(digest=digest_of(b""), compressed_bytes=0, plain_bytes=0, files=files, databases=read)
    return merge([facts])


@pytest.mark.parametrize(
    ("path", "named", "tool"),
    [
        ("gnu/store/abc-bash/bin/bash", "gnu/store", "guix"),
        ("var/lib/snapd/snaps/core_1.snap", "var/lib/snapd/snaps", "snap"),
        ("var/lib/flatpak/app/org.x/current", "var/lib/flatpak/app", "flatpak"),
        ("home/linuxbrew/.linuxbrew/Cellar/jq/1.7/bin/jq", "home/linuxbrew/.linuxbrew/Cellar", "Homebrew"),
        ("usr/share/clear/bundles/os-core", "usr/share/clear/bundles", "swupd"),
        ("var/lib/pkgtools/packages/bash-5.2", "var/lib/pkgtools/packages", "pkgtools"),
        ("var/db/xbps/pkgdb-0.38.plist", "var/db/xbps", "xbps"),
        ("var/lib/eopkg/package/bash-5.2-1/metadata.xml", "var/lib/eopkg/package", "eopkg"),
        ("var/lib/dpkg/updates/0001", "var/lib/dpkg/updates", "dpkg's journal"),
    ],
)
def test_a_database_that_nobody_reads_is_named(path: str, named: str, tool: str) -> None:
    """Its image is not one without packages."""
    unread = merged(path).unread_databases
    assert list(unread) == [named]
    assert f"of {tool}" in unread[named]


def test_the_directories_of_an_ordinary_image_are_no_databases() -> None:
    """Empty ones, and what is called alike."""
    rows = (
        "var/lib/rpm/",
        "nix/",
        "var/lib/dpkg/updates/",
        "var/db/",
        "usr/local/",
        "x/conda-meta/history",
        "x/myconda-meta/a.json",
    )
    assert merged(*rows, "var/lib/pacman/", "nix/storey", databases={"var/lib/dpkg/status": "deb"}).unread_databases == {}


def test_a_database_behind_a_link_is_named_as_well() -> None:
    """/var/lib/rpm is a link where /usr is the image."""
    assert list(merged("var/lib/rpm -> ../../usr/rpm", "usr/rpm/rpmdb.sqlite").unread_databases) == ["var/lib/rpm/rpmdb.sqlite"]
    assert list(merged("gnu -> data", "data/store/x").unread_databases) == ["gnu/store"]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (("var/lib/dpkg/status -> /opt/list", "opt/list"), "var/lib/dpkg/status"),
        (("var/lib/dpkg -> /opt/db", "opt/db/status"), "var/lib/dpkg/status"),
        (("lib -> usr/lib", "usr/lib/apk -> /opt/apk", "opt/apk/db/installed"), "lib/apk/db/installed"),
        (("var/lib/dpkg/status.d/libc6 -> ../libc6", "var/lib/dpkg/libc6"), "var/lib/dpkg/status.d/libc6"),
        (("srv/a-1.dist-info -> /opt/a", "opt/a/METADATA"), "srv/a-1.dist-info"),
        (("srv/a-1.dist-info/METADATA -> /opt/a", "opt/a"), "srv/a-1.dist-info/METADATA"),
        (("srv/node_modules/a/package.json -> b", "srv/node_modules/a/b"), "srv/node_modules/a/package.json"),
        (("var/lib/dpkg/status.d -> /opt/d", "opt/d/libc6", "opt/d/more/x"), "var/lib/dpkg/status.d/libc6"),
        (("var/lib/dpkg -> /opt/d", "opt/d/status.d/libc6"), "var/lib/dpkg/status.d/libc6"),
        (("var/lib/pacman -> /opt/p", "opt/p/local/a-1-1/desc"), "var/lib/pacman/local/a-1-1/desc"),
        (("var/db/pkg -> /opt/p", "opt/p/app/a-1/CONTENTS", "opt/p/app/a-1/PF"), "var/db/pkg/app/a-1/CONTENTS"),
        (("usr/lib/opkg -> /opt/o", "opt/o/info/a.control"), "usr/lib/opkg/info/a.control"),
        (("srv/conda-meta -> /opt/m", "opt/m/zlib-1-0.json", "opt/m/history"), "srv/conda-meta/zlib-1-0.json"),
        (("srv/specifications -> /opt/s", "opt/s/rake-13.gemspec"), "srv/specifications/rake-13.gemspec"),
        (("srv/site-packages -> /opt/sp", "opt/sp/a-1.egg-info"), "srv/site-packages/a-1.egg-info"),
    ],
)
def test_a_link_to_what_was_not_read_is_named(rows: tuple[str, ...], named: str) -> None:
    """The tools of the image follow it; what it leads to has another name than what is read."""
    assert named in merged(*rows).unread_databases


def test_a_link_to_what_was_read_or_to_nothing_hides_nothing() -> None:
    """As of /var/lib/dpkg, or of a file in a cache."""
    rows = ("var/lib/dpkg -> /opt/dpkg", "srv/a-1.dist-info -> /opt/a-1.dist-info", "srv/b-1.dist-info/METADATA -> nowhere")
    found = merged(*rows, databases={"opt/dpkg/status": "deb", "opt/a-1.dist-info/METADATA": "pypi"})
    assert found.unread_databases == {}
    assert set(found.databases) == {("opt/dpkg/status", "deb"), ("opt/a-1.dist-info/METADATA", "pypi")}


@pytest.mark.parametrize(
    ("paths", "links", "packages"),
    [
        (["app/node_modules/a", "app/node_modules/a/test/b", "app/node_modules/@s/c", "app/node_modules/@s/c/mock/d"], [], [0, 2]),
        (["app", "app/test/fixture", "app/packages/a", "opt/yarn-v1.22.22"], [], [0, 3]),
        (["app", "app/packages/a"], ["app/node_modules/a -> ../packages/a"], [0, 1]),
        (["app/node_modules/.store/a-1/package"], ["app/node_modules/a -> .store/a-1/package"], [0]),
        (["app/node_modules/.store/a-1/package"], ["app/node_modules/@s/a -> ../.store/a-1/package"], [0]),
        (["app/node_modules/.store/a-1/package"], ["app/node_modules/.bin/a -> ../.store/a-1/package"], []),
        (["", "opt/tool", "opt/tool/x"], [], [0, 1]),
        (["usr/share/nodejs/a", "usr/share/nodejs/b"], [], [0, 1]),
    ],
)
def test_packages_are_what_node_finds_and_applications(paths: list[str], links: list[str], packages: list[int]) -> None:
    """Not what lies inside of them."""
    files = [f"{path}/package.json".lstrip("/") for path in paths]
    found = packages_of(merged(*links, databases=dict.fromkeys(files, "npm")), Distro(), 0)
    assert {each.path for each in found} == {files[number] for number in packages}


@pytest.mark.parametrize(
    ("directory", "is_package"),
    [
        ("app/node_modules/next/dist/compiled/react-is", True),
        ("app/node_modules/next/dist/compiled/@babel/runtime", True),
        ("app/node_modules/typescript/vendor/vscode-jsonrpc", True),
        ("app/node_modules/resolve/test/packages/a", False),
        ("app/node_modules/next/dist/compiled", False),
        ("app/node_modules/next/vendor/a/fixtures/b", False),
        ("app/compiled/a", False),
    ],
)
def test_a_copy_that_was_built_into_a_package_is_one(directory: str, is_package: bool) -> None:
    """What runs there is that package, though Node does not find it by its name."""
    there = {"app/package.json": "npm", f"{directory}/package.json": "npm"}
    assert ((f"{directory}/package.json", "npm") in merged(databases=there).databases) is is_package


def test_an_application_without_a_version_has_fixtures_all_the_same() -> None:
    """Its package.json is no package, and is there."""
    assert merged("app/package.json", databases={"app/test/x/package.json": "npm"}).databases == {}


@pytest.mark.parametrize(
    ("links", "path"),
    [
        (("app/node_modules -> /opt/x/lib",), "opt/x/lib/evil/package.json"),
        (("app/node_modules -> /opt/x/lib",), "opt/x/lib/@scope/evil/package.json"),
        (("app/node_modules/@scope -> /opt/x/lib",), "opt/x/lib/evil/package.json"),
        (("app/node_modules -> /opt/x/lib", "opt/x/lib/evil -> ../other"), "opt/x/other/package.json"),
        (("app/node_modules -> /opt/x/lib", "opt/x/lib/@scope -> ../other"), "opt/x/other/evil/package.json"),
        (("node_modules -> /opt/x",), "opt/x/evil/package.json"),
    ],
)
def test_a_link_that_is_node_modules_makes_packages_of_what_it_leads_to(links: tuple[str, ...], path: str) -> None:
    """Also where another package would hide them, as it hides its fixtures."""
    there = {"opt/x/package.json": "npm", path: "npm"}
    assert (path, "npm") in merged(*links, databases=there).databases
    assert (path, "npm") not in merged(databases=there).databases
