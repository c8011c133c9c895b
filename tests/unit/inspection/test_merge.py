"""Layers as one image: what is removed, hidden and replaced, through links as well, and who brought what."""

from dataclasses import replace

import pytest

from watcher.inspection.image.installed import packages_of
from watcher.inspection.image.links import Links
from watcher.inspection.image.merge import MergedImage, merge
from watcher.model.digest import digest_of
from watcher.model.inventory import Distro, FileTable, LayerFacts, PackageDatabase, PackageRecord, SecretHit

DPKG = "var/lib/dpkg/status"


def table(*rows: str) -> FileTable:
    """`path` is a file, `path/` a directory, `path -> target` a symbolic link."""
    files = FileTable()
    for row in rows:
        path, _, target = row.partition(" -> ")
        files.path.append(path.rstrip("/"))
        files.kind.append("l" if target else "d" if path.endswith("/") else "f")
        files.link.append(target)
        for column in (files.mode, files.uid, files.gid, files.size):
            column.append(0)
    return files


def package(name: str, version: str = "1", kind: str = "deb") -> PackageRecord:
    return PackageRecord(type=kind, name=name, version=version)


def database(path: str, *packages: PackageRecord, system: bool = True, kind: str = "deb") -> PackageDatabase:
    return PackageDatabase(path=path, type=kind, packages=packages, system=system)


def secret(path: str) -> SecretHit:
    return SecretHit(rule="key", title="", path=path, line=1, fingerprint=path, preview="")


def layer(
    *rows: str,
    whiteouts: tuple[str, ...] = (),
    opaque: tuple[str, ...] = (),
    databases: tuple[PackageDatabase, ...] = (),
    texts: dict[str, bytes] | None = None,
    secrets: tuple[SecretHit, ...] = (),
) -> LayerFacts:
    return LayerFacts(
        digest=digest_of(repr((rows, whiteouts, opaque)).encode()),
        compressed_bytes=0,
        plain_bytes=0,
        files=table(*rows),
        whiteouts=whiteouts,
        opaque=opaque,
        databases=databases,
        texts=texts or {},
        secrets=secrets,
    )


def left(*layers: LayerFacts) -> dict[str, int]:
    """Path → the layer it is of."""
    files = merge(layers).files
    return dict(zip(files.path, files.layer, strict=True))


def installed(merged: MergedImage) -> dict[str, int]:
    return {each.record.name: each.layer for each in packages_of(merged, Distro(), 0)}


def test_upper_layers_replace_and_the_rest_stays() -> None:
    """A path is of the last layer that has it; the list is sorted."""
    assert left(layer("b", "a/", "a/x"), layer("a/x", "c")) == {"a": 0, "a/x": 1, "b": 0, "c": 1}
    assert list(left(layer("b", "a"))) == ["a", "b"]
    assert left() == {}


def test_a_whiteout_removes_a_file_or_a_whole_directory() -> None:
    """Everything below it, and nothing beside it that only begins alike."""
    base = layer("d/", "d/x", "d/sub/y", "d-not/x", "d0", "f")
    assert left(base, layer(whiteouts=("d",))) == {"d-not/x": 0, "d0": 0, "f": 0}
    assert left(base, layer(whiteouts=("f", "never-there"))).keys() == {"d", "d/x", "d/sub/y", "d-not/x", "d0"}


def test_a_whiteout_does_not_concern_its_own_layer() -> None:
    """What the layer itself puts there stays."""
    assert left(layer("d/", "d/old"), layer("d/", "d/new", whiteouts=("d",))) == {"d": 1, "d/new": 1}
    assert left(layer("d/", "d/old"), layer("d/new", opaque=("d",))) == {"d": 0, "d/new": 1}


def test_an_opaque_directory_hides_what_is_below_it() -> None:
    """The directory itself stays; the root may be opaque as well."""
    base = layer("d/", "d/x", "d/sub/y", "other")
    assert left(base, layer(opaque=("d",))) == {"d": 0, "other": 0}
    assert left(base, layer("new", opaque=("",))) == {"new": 1}


def test_a_file_in_the_place_of_a_directory_hides_it() -> None:
    """Also of one that was never listed itself."""
    assert left(layer("d/", "d/x", "d/sub/y"), layer("d")) == {"d": 1}
    assert left(layer("d/sub/y"), layer("d -> elsewhere")) == {"d": 1}


def test_a_directory_in_the_place_of_a_file_replaces_it() -> None:
    """And what is removed may come back."""
    assert left(layer("f"), layer("f/", "f/x")) == {"f": 1, "f/x": 1}
    assert left(layer("f"), layer(whiteouts=("f",)), layer("f")) == {"f": 2}


def test_entries_are_unpacked_through_links() -> None:
    """A path below a link to a directory is where the link leads, for entries and for whiteouts."""
    base = layer("lib -> usr/lib", "usr/lib/", "usr/lib/a", "usr/lib/b")
    assert left(base, layer("lib/a", "lib/c"))["usr/lib/a"] == 1
    assert left(base, layer("lib/c"))["usr/lib/c"] == 1
    assert "usr/lib/b" not in left(base, layer(whiteouts=("lib/b",)))
    assert left(base, layer(opaque=("lib",))).keys() == {"lib", "usr/lib"}


def test_a_directory_in_the_place_of_a_link_ends_the_link() -> None:
    """What follows is unpacked into the new directory."""
    merged = left(layer("lib -> usr/lib", "usr/lib/a"), layer("lib/", "lib/b"))
    assert merged == {"lib": 1, "lib/b": 1, "usr/lib/a": 0}


def test_removing_a_link_removes_nothing_else() -> None:
    """What it led to stays, and paths below it are no longer elsewhere."""
    base = layer("lib -> usr/lib", "usr/lib/a")
    assert left(base, layer("lib/b", whiteouts=("lib",))) == {"lib/b": 1, "usr/lib/a": 0}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("etc/os-release", "usr/lib/os-release"),
        ("lib/x", "usr/lib/x"),
        ("abs/x", "usr/lib/x"),
        ("out", "etc/shadow"),
        ("chain", "usr/lib/x"),
        ("loop/a", None),
        ("plain/file", "plain/file"),
        ("", ""),
    ],
)
def test_links_are_followed_within_the_root(path: str, expected: str | None) -> None:
    """Relative, absolute and beyond the root, which is where it ends; circles lead nowhere."""
    links = Links(
        {
            "etc/os-release": "../usr/lib/os-release",
            "lib": "usr/lib",
            "abs": "/usr/lib",
            "out": "../../../../etc/shadow",
            "chain": "lib/./x",
            "loop/a": "b",
            "loop/b": "a",
        }
    )
    assert links.follow(path) == expected


def test_a_circle_of_links_leaves_paths_as_they_are() -> None:
    """Nothing can be at them, and nothing is lost."""
    assert left(layer("a -> b", "b -> a"), layer("a/x")) == {"a": 0, "a/x": 1, "b": 0}


def test_an_unchanged_package_stays_with_the_layer_that_brought_it() -> None:
    """A layer that rewrites the database brings what is new or changed in it, and takes away what is missing."""
    base = layer(DPKG, databases=(database(DPKG, package("libc"), package("curl"), package("perl")),))
    upper = layer(DPKG, databases=(database(DPKG, package("libc"), package("curl", "2"), package("git")),))
    assert installed(merge([base, upper])) == {"libc": 0, "curl": 1, "git": 1}
    again = layer(DPKG, databases=(database(DPKG, package("libc"), package("git")),))
    assert installed(merge([base, upper, again])) == {"libc": 0, "git": 1}


@pytest.mark.parametrize(
    "upper",
    [
        layer(whiteouts=(DPKG,)),
        layer(whiteouts=("var",)),
        layer(opaque=("var/lib",)),
        layer(DPKG),  # replaced by a file that was no database, or too large to be read
        layer(f"{DPKG} -> /dev/null"),
        layer("var/lib/dpkg"),
    ],
)
def test_packages_exist_only_where_their_database_does(upper: LayerFacts) -> None:
    """However it is taken away."""
    base = layer(DPKG, "var/lib/dpkg/", databases=(database(DPKG, package("libc")),))
    assert installed(merge([base, upper])) == {}


def test_a_database_that_comes_back_is_of_the_layer_that_brings_it() -> None:
    """What was removed in between is not what was there before."""
    base = layer(DPKG, databases=(database(DPKG, package("libc")),))
    again = layer(DPKG, databases=(database(DPKG, package("libc")),))
    assert installed(merge([base, layer(whiteouts=(DPKG,)), again])) == {"libc": 2}
    assert installed(merge([base, layer(DPKG), again])) == {"libc": 2}


def test_a_distributions_database_counts_where_its_tools_look() -> None:
    """Through links too; one of another root is left out, and named."""
    links = layer(
        "var/lib/dpkg -> /usr/lib/dpkg", "usr/lib/dpkg/status", databases=(database("usr/lib/dpkg/status", package("a")),)
    )
    assert installed(merge([links])) == {"a": 0}
    other = layer("srv/root/var/lib/dpkg/status", databases=(database("srv/root/var/lib/dpkg/status", package("b")),))
    merged = merge([other])
    assert installed(merged) == {}
    assert merged.foreign_databases == ("srv/root/var/lib/dpkg/status",)


def test_one_database_under_two_names_is_one() -> None:
    """With /lib a link to /usr/lib, what an upper layer calls by the other name replaces it."""
    low, high = "usr/lib/apk/db/installed", "lib/apk/db/installed"
    base = layer("lib -> usr/lib", low, databases=(database(low, package("musl", kind="apk"), kind="apk"),))
    records = (package("musl", kind="apk"), package("curl", kind="apk"))
    upper = layer(high, databases=(database(high, *records, kind="apk"),))
    assert installed(merge([base, upper])) == {"musl": 0, "curl": 1}


def test_what_two_databases_of_a_distribution_list_is_listed_once() -> None:
    """After a move to another kind of database, with the layer of the first; one of them may not say the epoch."""
    old, new, manifest = "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpmmanifest/container-manifest-1"
    lower = layer(old, databases=(database(old, package("a", "1:1-1", "rpm"), package("b", "1-1", "rpm"), kind="rpm"),))
    upper = layer(
        new,
        manifest,
        databases=(
            database(new, package("a", "1:1-1", "rpm"), package("c", "1-1", "rpm"), kind="rpm"),
            database(manifest, package("a", "1-1", "rpm"), package("b", "2-1", "rpm"), kind="rpm"),
        ),
    )
    found = packages_of(merge([lower, upper]), Distro(), 0)
    assert [(each.record.name, each.record.version, each.path, each.layer) for each in found] == [
        ("c", "1-1", new, 1),
        ("a", "1:1-1", old, 0),
        ("b", "1-1", old, 0),
        ("b", "2-1", manifest, 1),
    ]


def test_what_a_distribution_lists_twice_is_listed_once() -> None:
    """In its status and in a file of the package beside that; what only the file has is listed from there."""
    status, beside, elsewhere = "usr/lib/opkg/status", "usr/lib/opkg/info/a.control", "srv/root/usr/lib/opkg/info/a.control"
    a, b = package("a", kind="opkg"), package("b", kind="opkg")
    databases = (
        database(beside, a, b, system=False, kind="opkg"),
        database(elsewhere, a, system=False, kind="opkg"),
        database(status, a, kind="opkg"),
    )
    found = packages_of(merge([layer(status, beside, elsewhere, databases=databases)]), Distro(), 0)
    assert [(each.record.name, each.path) for each in found] == [("a", elsewhere), ("b", beside), ("a", status)]


def test_a_package_of_its_own_file_counts_anywhere() -> None:
    """A dist-info or a package.json is where its package is."""
    path = "opt/x/node_modules/y/package.json"
    merged = merge([layer(path, databases=(database(path, package("y", kind="npm"), system=False, kind="npm"),))])
    assert installed(merged) == {"y": 0}


def test_packages_of_the_base_are_marked_and_have_the_distributions_purl() -> None:
    """A layer knows neither; only the image does."""
    base = layer(DPKG, databases=(database(DPKG, package("libc")),))
    upper = layer(DPKG, databases=(database(DPKG, package("libc"), package("git")),))
    found = packages_of(merge([base, upper]), Distro(id="debian", version="12", known=True), 1)
    assert [(each.record.name, each.from_base) for each in found] == [("libc", True), ("git", False)]
    assert found[0].record.purl == "pkg:deb/debian/libc@1?distro=debian-12"


def test_texts_are_found_through_links() -> None:
    """/etc/os-release is a link in most images; the text is that of the layer which has it last."""
    base = layer("etc/os-release -> ../usr/lib/os-release", "usr/lib/os-release", texts={"usr/lib/os-release": b"ID=a"})
    assert merge([base]).texts == {"etc/os-release": b"ID=a", "usr/lib/os-release": b"ID=a"}
    upper = layer("usr/lib/os-release", texts={"usr/lib/os-release": b"ID=b"})
    assert merge([base, upper]).texts["etc/os-release"] == b"ID=b"
    assert merge([base, layer(whiteouts=("usr/lib/os-release",))]).texts == {}


def test_a_text_that_is_there_but_was_not_kept_is_named() -> None:
    """Nobody may take it for an image without users."""
    merged = merge([layer("etc/passwd -> /srv/passwd", "srv/passwd")])
    assert (merged.texts, merged.unread_texts) == ({}, ("etc/passwd",))
    stale = merge([layer("etc/passwd", texts={"etc/passwd": b"a"}), layer("etc/passwd")])
    assert (stale.texts, stale.unread_texts) == ({}, ("etc/passwd",))


def test_secrets_that_were_deleted_later_are_marked() -> None:
    """They can be pulled all the same; a file that is replaced has its old content in the old layer."""
    base = layer("a", "b", "c", secrets=(secret("a"), secret("b"), secret("c")))
    upper = layer("c", whiteouts=("b",), secrets=(secret("c"),))
    found = [(each.hit.path, each.layer, each.present_in_final) for each in merge([base, upper]).secrets]
    assert found == [("a", 0, True), ("b", 0, False), ("c", 0, False), ("c", 1, True)]


def test_a_secret_without_a_path_is_of_the_layer() -> None:
    """No later layer deletes what is no file."""
    (found,) = merge([layer("a", secrets=(secret(""),)), layer(whiteouts=("a",))]).secrets
    assert (found.where, found.hit.path, found.layer, found.present_in_final) == ("layer", "bytes that belong to no file", 0, True)


def test_what_several_catalogers_say_of_one_file_is_kept() -> None:
    """Also where one of them says it again in a layer above, which rewrites the file."""
    path = "app/tool"
    both = (database(path, package("x", kind="golang"), system=False, kind="go"), database(path, package("y"), system=False))
    merged = merge([layer(path, databases=both)])
    assert installed(merged) == {"x": 0, "y": 0}
    assert installed(merge([layer(path, databases=both), layer(path, databases=both[:1])])) == {"x": 0}


def test_a_package_in_an_archive_has_the_path_of_both() -> None:
    """Two that are equal and in different archives are two."""
    path = "app/app.jar"
    records = tuple(PackageRecord(type="maven", name="a", version="1", place=place) for place in ("", "lib/a.jar", "lib/b.jar"))
    merged = merge([layer(path, databases=(database(path, *records, system=False, kind="jvm"),))])
    found = packages_of(merged, Distro(), 0)
    assert [each.path for each in found] == [path, f"{path}!/lib/a.jar", f"{path}!/lib/b.jar"]
    assert {each.record for each in found} == {records[0]}


def test_a_hard_link_to_what_is_there_says_nothing_more() -> None:
    """Once that was removed, or replaced by something else, it does."""
    tool = database("bin/a", package("busybox"), system=False, kind="binary")
    link = replace(tool, path="bin/b", original="bin/a")
    base = layer("bin/a", "bin/b", databases=(tool, link))
    assert [each.path for each in packages_of(merge([base]), Distro(), 0)] == ["bin/a"]
    assert [each.path for each in packages_of(merge([base, layer(whiteouts=("bin/a",))]), Distro(), 0)] == ["bin/b"]
    assert [each.path for each in packages_of(merge([base, layer("bin/a")]), Distro(), 0)] == ["bin/b"]
