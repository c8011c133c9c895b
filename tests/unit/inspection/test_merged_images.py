"""Layers put together: what is left, who brought it, and what is hidden by what."""

from watcher.inspection.catalogers.distro import distro_of
from watcher.inspection.catalogers.passwd import parse_passwd
from watcher.inspection.image.installed import packages_of
from watcher.inspection.image.links import Links
from watcher.inspection.image.merge import MergedImage, merge
from watcher.inspection.image.running_as import started_as
from watcher.model.digest import digest_of
from watcher.model.inventory import (
    DIRECTORY,
    FILE,
    SYMLINK,
    Distro,
    FileTable,
    LayerFacts,
    PackageDatabase,
    PackageRecord,
    SecretHit,
)

DPKG = "var/lib/dpkg/status"
CURL, DASH, DASH_2 = (
    PackageRecord(type="deb", name=name, version=version, purl=f"pkg:deb/{name}@{version}")
    for name, version in (("curl", "1"), ("dash", "1"), ("dash", "2"))
)
MUSL = PackageRecord(type="apk", name="musl", version="1")
WHEEL = PackageRecord(type="pypi", name="wheel", version="1")


def layer(
    *paths: str,
    links: dict[str, str] | None = None,
    whiteouts: tuple[str, ...] = (),
    opaque: tuple[str, ...] = (),
    databases: dict[str, tuple[PackageRecord, ...]] | None = None,
    texts: dict[str, bytes] | None = None,
    secrets: tuple[str, ...] = (),
) -> LayerFacts:
    """A path with a slash at its end is a directory; links, databases, texts and secrets have their rows of themselves."""
    databases, texts, links = databases or {}, texts or {}, links or {}
    rows = [(path.rstrip("/"), DIRECTORY if path.endswith("/") else FILE, "") for path in paths]
    rows += [(path, SYMLINK, target) for path, target in links.items()]
    rows += [(path, FILE, "") for path in (*databases, *texts, *secrets)]
    count = len(rows)
    return LayerFacts(
        digest=digest_of(repr(rows).encode()),
        compressed_bytes=1,
        plain_bytes=1,
        files=FileTable(
            path=[row[0] for row in rows],
            kind=[row[1] for row in rows],
            mode=[0o644] * count,
            uid=[0] * count,
            gid=[0] * count,
            size=[1] * count,
            link=[row[2] for row in rows],
        ),
        whiteouts=whiteouts,
        opaque=opaque,
        databases=tuple(
            PackageDatabase(path=path, type=records[0].type, packages=records, system=records[0].type in {"deb", "apk"})
            for path, records in databases.items()
        ),
        texts=texts,
        secrets=tuple(
            SecretHit(rule="r", title="t", path=path, line=1, fingerprint=f"{number:016}", preview="")
            for number, path in enumerate(secrets)
        ),
    )


def left(merged: MergedImage) -> dict[str, int]:
    return dict(zip(merged.files.path, merged.files.layer, strict=True))


def installed(merged: MergedImage) -> list[tuple[str, str, int]]:
    return [(each.record.name, each.record.version, each.layer) for each in packages_of(merged, Distro(), 0)]


def test_a_whiteout_removes_a_file_and_everything_below_it() -> None:
    """From the layers below; what merely begins alike stays."""
    merged = merge([layer("a/", "a/b", "a/b/c", "a/bc", "ab", "d"), layer(whiteouts=("a/b", "d", "never/was"))])
    assert left(merged) == {"a": 0, "a/bc": 0, "ab": 0}


def test_a_whiteout_spares_its_own_layer() -> None:
    """A layer that removes a path and writes it again has the new one."""
    merged = merge([layer("a/", "a/old"), layer("a/", "a/new", whiteouts=("a",))])
    assert left(merged) == {"a": 1, "a/new": 1}


def test_an_opaque_directory_hides_what_is_below_but_not_itself() -> None:
    """Its own layer's entries stay, and so does the directory."""
    merged = merge([layer("a/", "a/old", "a/deep/er", "b"), layer("a/new", opaque=("a",))])
    assert left(merged) == {"a": 0, "a/new": 1, "b": 0}


def test_an_opaque_root_hides_everything() -> None:
    """The image begins anew."""
    assert left(merge([layer("a", links={"l": "a"}), layer("b", opaque=("",))])) == {"b": 1}


def test_a_file_in_the_place_of_a_directory_hides_it() -> None:
    """Whatever was below the directory is gone."""
    assert left(merge([layer("a/", "a/b", "a/c/d"), layer("a")])) == {"a": 1}


def test_a_directory_in_the_place_of_a_file_is_one() -> None:
    """And a directory over a directory only takes its place as a row."""
    assert left(merge([layer("a", "d/", "d/x"), layer("a/", "a/b", "d/")])) == {"a": 1, "a/b": 1, "d": 1, "d/x": 0}


def test_an_upper_layer_writes_through_a_link_to_a_directory() -> None:
    """`lib/x` is `usr/lib/x` where /lib is a link, as every tool that unpacks layers has it."""
    base = layer("usr/lib/", "usr/lib/x", "usr/lib/y", links={"lib": "usr/lib"})
    assert left(merge([base, layer("lib/x", whiteouts=("lib/y",))])) == {"lib": 0, "usr/lib": 0, "usr/lib/x": 1}


def test_an_opaque_mark_through_a_link_hides_the_directory_it_leads_to() -> None:
    """The mark lies in the directory that the link leads to."""
    base = layer("usr/lib/", "usr/lib/x", links={"lib": "/usr/lib"})
    assert left(merge([base, layer(opaque=("lib",))])) == {"lib": 0, "usr/lib": 0}


def test_a_link_that_a_directory_replaced_leads_nowhere_any_more() -> None:
    """The entries below are of the new directory."""
    base = layer("usr/lib/", "usr/lib/x", links={"lib": "usr/lib"})
    assert left(merge([base, layer("lib/", "lib/x")])) == {"lib": 1, "lib/x": 1, "usr/lib": 0, "usr/lib/x": 0}


def test_a_file_written_through_a_link_over_another_link_is_a_file() -> None:
    """The link that it replaced is followed no longer."""
    base = layer("usr/lib/", links={"lib": "usr/lib", "usr/lib/os-release": "../../etc/vendor"}, texts={"etc/group": b"g:x:1:\n"})
    merged = merge([base, layer("lib/", texts={"lib/os-release": b"ID=x\n"}), layer("z")])
    assert merged.texts["etc/group"] == b"g:x:1:\n"
    through = merge([base, layer(texts={"lib/os-release": b"ID=x\n"}), layer("z")])
    assert through.texts.get("usr/lib/os-release") == b"ID=x\n"
    assert not through.unread_texts


def test_a_database_written_again_keeps_who_brought_each_record() -> None:
    """A package is of the layer that installed it; a new version is of the layer with the upgrade."""
    merged = merge([layer(databases={DPKG: (CURL, DASH)}), layer("x"), layer(databases={DPKG: (CURL, DASH_2)})])
    assert installed(merged) == [("curl", "1", 0), ("dash", "2", 2)]


def test_packages_of_the_lowest_layers_are_of_the_base() -> None:
    """As many layers as the base has."""
    merged = merge([layer(databases={DPKG: (CURL,)}), layer(databases={DPKG: (CURL, DASH)})])
    distro = Distro(id="debian", version="12", known=True)
    assert [(each.record.name, each.from_base) for each in packages_of(merged, distro, 1)] == [("curl", True), ("dash", False)]


def test_a_removed_database_has_no_packages() -> None:
    """By a whiteout, by an opaque directory, and by something that is no database in its place."""
    base = layer(databases={DPKG: (CURL,)})
    for above in (layer(whiteouts=(DPKG,)), layer(opaque=("var/lib",)), layer(DPKG), layer("var")):
        assert installed(merge([base, above])) == []


def test_a_database_that_was_gone_in_between_starts_anew() -> None:
    """Its packages are of the layer that wrote it last."""
    merged = merge([layer(databases={DPKG: (CURL,)}), layer(whiteouts=(DPKG,)), layer(databases={DPKG: (CURL, DASH)})])
    assert installed(merged) == [("curl", "1", 2), ("dash", "1", 2)]


def test_a_database_behind_a_link_is_the_distributions_own() -> None:
    """/var/lib/dpkg may be a link to anywhere; what upper layers write through it is the same database."""
    base = layer("opt/dpkg/", links={"var/lib/dpkg": "/opt/dpkg"}, databases={"opt/dpkg/status": (CURL,)})
    merged = merge([base, layer(databases={DPKG: (CURL, DASH)})])
    assert installed(merged) == [("curl", "1", 0), ("dash", "1", 1)]
    assert merged.foreign_databases == ()


def test_apk_is_found_behind_the_merged_usr() -> None:
    """/lib → usr/lib, written under either name."""
    base = layer("usr/lib/", links={"lib": "usr/lib"}, databases={"usr/lib/apk/db/installed": (MUSL,)})
    assert installed(merge([base, layer(databases={"lib/apk/db/installed": (MUSL,)})])) == [("musl", "1", 0)]


def test_a_database_of_another_root_is_left_out_and_named() -> None:
    """A chroot or a backup in the image is not what is installed in it."""
    merged = merge([layer(databases={DPKG: (CURL,), f"chroot/{DPKG}": (DASH,)})])
    assert installed(merged) == [("curl", "1", 0)]
    assert merged.foreign_databases == (f"chroot/{DPKG}",)


def test_a_removed_dist_info_takes_its_package_along() -> None:
    """Pip uninstall in an upper layer is a whiteout of the directory."""
    path = "usr/lib/python3/site-packages/wheel-1.dist-info/METADATA"
    base = layer(databases={path: (WHEEL,)})
    assert installed(merge([base])) == [("wheel", "1", 0)]
    assert installed(merge([base, layer(whiteouts=(path.rpartition("/")[0],))])) == []


def test_a_deleted_secret_is_still_in_the_image() -> None:
    """It can be pulled with its layer; that it is not in the final file system is said."""
    merged = merge([layer(secrets=("app/key", "app/kept", "app/changed")), layer("app/changed", whiteouts=("app/key",))])
    assert [(each.hit.path, each.layer, each.present_in_final) for each in merged.secrets] == [
        ("app/key", 0, False),
        ("app/kept", 0, True),
        ("app/changed", 0, False),
    ]


def test_a_secret_written_through_a_link_is_present() -> None:
    """It is where the link leads."""
    base = layer("srv/", links={"app": "srv"})
    (secret,) = merge([base, layer(secrets=("app/key",))]).secrets
    assert (secret.layer, secret.present_in_final) == (1, True)


def test_texts_are_found_through_links() -> None:
    """/etc/os-release is a link on most distributions, absolute or not; /etc itself may be one."""
    for target in ("../usr/lib/os-release", "/usr/lib/os-release", "../../../../usr/./lib/os-release"):
        merged = merge([layer(links={"etc/os-release": target}, texts={"usr/lib/os-release": b"ID=debian\nVERSION_ID=12\n"})])
        assert distro_of(merged.texts).id == "debian"
        assert merged.texts["etc/os-release"] == merged.texts["usr/lib/os-release"]
    merged = merge([layer(links={"etc": "usr/lib"}, texts={"usr/lib/os-release": b"ID=x\n"})])
    assert merged.texts["etc/os-release"] == b"ID=x\n"


def test_a_text_that_leads_to_a_file_nobody_kept_is_named() -> None:
    """That it exists is known, what it says is not."""
    merged = merge([layer("opt/release", links={"etc/os-release": "/opt/release"})])
    assert (merged.texts, merged.unread_texts) == ({}, ("etc/os-release",))


def test_a_text_replaced_by_something_that_was_not_read_is_not_the_old_one() -> None:
    """The old content is no answer for the new file."""
    merged = merge([layer(texts={"etc/passwd": b"root:x:0:0\n"}), layer("etc/passwd")])
    assert (merged.texts, merged.unread_texts) == ({}, ("etc/passwd",))


def test_users_are_those_of_the_topmost_passwd() -> None:
    """The effective user is looked up in the merged image's own files."""
    merged = merge(
        [
            layer(texts={"etc/passwd": b"root:x:0:0::/:/bin/sh\n", "etc/group": b"root:x:0:\n"}),
            layer(texts={"etc/passwd": b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/app:/bin/sh\n"}),
        ]
    )
    passwd, group = merged.texts["etc/passwd"], merged.texts["etc/group"]
    assert [user.name for user in parse_passwd(passwd)] == ["root", "app"]
    assert started_as("app", passwd, group) == 1000
    assert started_as("", passwd, group) == 0
    assert started_as("nobody", passwd, group) is None


def test_links_in_circles_end() -> None:
    """They lead nowhere, and an entry below one stays where it says it is."""
    links = Links({"a": "b", "b": "a", "self": "self/x", "up": "../../.."})
    assert links.follow("a") is None
    assert links.follow("self") is None
    assert links.entry("a/x") == "a/x"
    assert links.follow("up/etc") == "etc"
    merged = merge([layer("a/x", links={"a": "b", "b": "a", "etc/os-release": "os-release"}), layer("a/y", whiteouts=("b/z",))])
    assert set(left(merged)) == {"a", "b", "a/x", "a/y", "etc/os-release"}
    assert merged.texts == {}


def test_a_directory_that_became_a_file_takes_its_links_along() -> None:
    """A link below it is followed no longer."""
    base = layer("opt/x/", links={"etc/os-release": "/usr/lib/os-release"}, texts={"usr/lib/os-release": b"ID=x\n"})
    merged = merge([base, layer("etc")])
    assert set(merged.texts) == {"usr/lib/os-release"}


def test_layers_that_were_not_read_change_nothing() -> None:
    """They count as layers all the same."""
    assert left(merge([layer("a"), layer(), layer("b")])) == {"a": 0, "b": 2}
