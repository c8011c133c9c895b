"""Links of both kinds in merged images: what takes their place, what leads through them, and where runtimes differ."""

from dataclasses import replace
from itertools import permutations

import pytest

from watcher.inspection.hard_links import last_of_each
from watcher.inspection.image.merge import MergedImage, merge
from watcher.model.digest import digest_of
from watcher.model.inventory import (
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    FileTable,
    LayerFacts,
    PackageDatabase,
    PackageRecord,
    SecretHit,
)

DPKG = "var/lib/dpkg/status"
TELNETD = PackageRecord(type="deb", name="telnetd", version="1")


def layer(
    *rows: str,
    whiteouts: tuple[str, ...] = (),
    opaque: tuple[str, ...] = (),
    packages: str = "",
    secrets: tuple[str, ...] = (),
    texts: dict[str, bytes] | None = None,
) -> LayerFacts:
    """`path` is a file, `path/` a directory, `path -> x` a symbolic link, `path => x` a hard link; a mode and a uid may follow."""
    files = FileTable()
    for row in rows:
        text, _, numbers = row.partition("  ")
        path, _, target = text.partition(" => " if " => " in text else " -> ")
        mode, _, uid = numbers.partition(" ")
        files.path.append(path.rstrip("/"))
        files.kind.append(HARDLINK if " => " in text else SYMLINK if target else DIRECTORY if path.endswith("/") else FILE)
        files.link.append(target)
        files.mode.append(int(mode or "644", 8))
        files.uid.append(int(uid or "0"))
        files.gid.append(0)
        files.size.append(0 if " => " in text else 7)
    return LayerFacts(
        digest=digest_of(repr((rows, whiteouts, opaque)).encode()),
        compressed_bytes=0,
        plain_bytes=0,
        files=files,
        whiteouts=whiteouts,
        opaque=opaque,
        databases=(PackageDatabase(path=packages, type="deb", packages=(TELNETD,), system=True),) if packages else (),
        secrets=tuple(
            SecretHit(rule="key", title="", path=path, line=1, fingerprint=str(number), preview="")
            for number, path in enumerate(secrets)
        ),
        texts=texts or {},
    )


def last(facts: LayerFacts) -> LayerFacts:
    """As a layer's facts are kept: of a path that it has twice not every entry."""
    return replace(facts, files=last_of_each(facts.files))


def left(merged: MergedImage) -> dict[str, int]:
    return dict(zip(merged.files.path, merged.files.layer, strict=True))


def modes(merged: MergedImage) -> dict[str, str]:
    return {path: f"{mode:o}" for path, mode in zip(merged.files.path, merged.files.mode, strict=True)}


DATABASE = ("var/lib/dpkg/", DPKG, "opt/db -> ../var/lib/dpkg")


@pytest.mark.parametrize("rows", list(permutations(["opt/db/", "opt/db/readme", "opt/db/status"])))
@pytest.mark.parametrize(
    ("whiteouts", "opaque"), [((), ("opt/db",)), (("opt/db/status-old", "opt/db/su"), ()), (("opt/db",), ("opt/db",))]
)
def test_a_directory_in_the_place_of_a_link_is_all_that_its_layer_removes_from(
    rows: tuple[str, ...], whiteouts: tuple[str, ...], opaque: tuple[str, ...]
) -> None:
    """In whatever order; but one that has something below it before the directory itself some write through the link."""
    merged = merge([layer(*DATABASE, "var/lib/dpkg/su", packages=DPKG), layer(*rows, whiteouts=whiteouts, opaque=opaque)])
    assert left(merged) == {
        "opt/db": 1,
        "opt/db/readme": 1,
        "opt/db/status": 1,
        "var/lib/dpkg": 0,
        DPKG: 0,
        "var/lib/dpkg/su": 0,
    }
    assert list(merged.databases) == [(DPKG, "deb")]
    assert list(merged.disputed) == ([] if rows[0] == "opt/db/" else ["opt/db"])


def test_a_file_or_another_link_takes_the_place_of_a_link_as_well() -> None:
    """A whiteout below another link removes where that one leads."""
    base = layer(*DATABASE, "srv/", "srv/status")
    assert DPKG in left(merge([base, layer("opt/db", whiteouts=("opt/db/status",))]))
    merged = merge([base, layer("opt/db -> /srv", whiteouts=("opt/db/status",))])
    assert (DPKG in left(merged), "srv/status" in left(merged), merged.disputed) == (True, False, {})


def test_a_link_of_the_layers_own_is_followed_by_everyone() -> None:
    """Also one that was there before and is brought again."""
    base = layer("bin -> usr/bin", "usr/bin/", "usr/bin/sh")
    for own in ("bin -> usr/bin", "bin -> ./usr/bin/."):
        merged = merge([base, layer(own, "bin/x")])
        assert left(merged)["usr/bin/x"] == 1
        assert merged.disputed == {}
    assert merge([layer("bin -> usr/bin", "usr/bin/", "bin/x")]).disputed == {}


@pytest.mark.parametrize(
    ("upper", "path"),
    [
        (layer("bin/x"), "bin/x"),
        (layer("bin/deep/er/x"), "bin/deep/er/x"),
        (layer(whiteouts=("bin/sh",)), "bin/sh"),
        (layer(opaque=("bin",)), "bin"),
        (layer("bin/y -> z"), "bin/y"),
        (layer("usr/bin/", "alias/x"), "alias/x"),
    ],
)
def test_what_leads_through_a_link_of_a_lower_layer_is_disputed(upper: LayerFacts, path: str) -> None:
    """An overlay has a new directory there, everything else writes through the link."""
    base = layer("bin -> usr/bin", "usr/bin/", "usr/bin/sh", "alias -> bin")
    merged = merge([base, layer("elsewhere"), upper])
    assert list(merged.disputed) == [path]
    assert "layer 2" in merged.disputed[path]
    assert merge([base, layer("usr/bin/x", whiteouts=("usr/bin/sh", "alias"))]).disputed == {}


def test_a_link_that_is_removed_is_followed_no_longer() -> None:
    """By a whiteout, or with the directory it was in."""
    base = layer("opt/", "opt/l -> /srv", "srv/", "srv/x")
    assert merge([base, layer("opt/l/x", whiteouts=("opt/l",))]).disputed == {}
    merged = merge([base, layer("opt/", "opt/l/x", opaque=("opt",))])
    assert (left(merged)["srv/x"], merged.disputed) == (0, {})


def test_an_entry_before_its_own_link_hides_nothing_that_the_link_leads_to() -> None:
    """It is unpacked beside, and then the link takes the place of its directory."""
    base = layer("b/", "b/x  4755")
    merged = merge([base, layer("a/x", "a -> b")])
    assert (left(merged)["b/x"], modes(merged)["b/x"], list(merged.disputed)) == (0, "4755", ["a"])
    followed = merge([base, layer("a -> b", "a/x")])
    assert (left(followed)["b/x"], modes(followed)["b/x"], followed.disputed) == (1, "644", {})


def test_a_file_that_its_layer_has_things_below_of_is_disputed() -> None:
    """Which of the two is left is a matter of order."""
    assert list(merge([layer("a", "a/x")]).disputed) == ["a"]
    assert left(merge([layer("a"), layer("a/x")])) == {"a/x": 1}


@pytest.mark.parametrize("order", [("bin/su  4755", "bin/su2 => bin/su  644"), ("bin/su  755", "bin/su2 => bin/su  4755")])
def test_no_name_of_a_file_is_less_dangerous_than_another(order: tuple[str, ...]) -> None:
    """Dockerd and containerd set the mode of each entry on the one file, umoci does not; what they make of it is said."""
    merged = merge([layer(*order), layer(whiteouts=("bin/su",))])
    assert int(modes(merged)["bin/su2"], 8) & 0o4000
    assert list(merged.disputed_modes) == ["bin/su2"]
    assert modes(merge([layer(*order)]))["bin/su"] == modes(merged)["bin/su2"]


def test_a_hard_link_has_what_its_file_has() -> None:
    """Mode, owner and size, along a chain, from a lower layer, and through a link."""
    merged = merge([layer("a  4711 33", "b => a  4711 33", "c => b  4711 33"), layer("d => c  4711 33"), layer(whiteouts=("a",))])
    files = merged.files
    rows = zip(files.path, files.mode, files.uid, files.size, strict=True)
    assert list(rows) == [(name, 0o4711, 33, 7) for name in ("b", "c", "d")]
    assert merged.disputed_modes == {}
    for name in ("bin/su", "usr/bin/su"):
        base = layer("bin -> usr/bin", "usr/bin/su  4755")
        below = merge([base, layer(f"x => {name}"), layer(whiteouts=("usr/bin/su",))])
        assert modes(below)["x"] == "4755"
        same = merge([layer("bin -> usr/bin", "usr/bin/su  4755", f"x => {name}")])
        assert modes(same)["x"] == "4755"
        mixed = merge([layer("bin -> usr/bin", "usr/bin/"), layer("usr/bin/su  4755", f"x => {name}")])
        assert modes(mixed)["x"] == "4755"


def test_a_hard_link_is_the_file_that_was_there_before_it() -> None:
    """What takes the place of its target later, in the same layer or above, is another file."""
    early = layer("a  4755", "b => a  4755", "a  600")
    assert modes(merge([early])) == {"a": "600", "b": "4755"}
    assert modes(merge([layer("a  4755"), layer("b => a  4755", "a  600")])) == {"a": "600", "b": "4755"}
    assert modes(merge([layer("a  4755", "b => a  4755"), layer("a  600")])) == {"a": "600", "b": "4755"}
    assert modes(merge([layer("a  4755"), layer("b => a  4755", whiteouts=("a",))])) == {"b": "4755"}


def test_a_hard_link_to_a_link_is_that_link() -> None:
    """Nobody follows it."""
    for layers in ([layer("s -> etc", "h => s", "etc/")], [layer("s -> etc", "etc/"), layer("h => s")]):
        merged = merge([*layers, layer("h/passwd", texts={"h/passwd": b"root:x:0:0\n"})])
        assert merged.texts["etc/passwd"] == b"root:x:0:0\n"
        assert left(merged)["etc/passwd"] == len(layers)
    assert merge([layer("d/", "h => d  4755", "x => nowhere  4755")]).disputed_modes == {}


def test_a_secret_is_present_by_any_of_its_names() -> None:
    """Of its own layer or a later one, along a chain; not by one that was deleted."""
    key = layer("a/key", "b/key => a/key", "c/key => b/key", secrets=("a/key",))
    assert [each.present_in_final for each in merge([key, layer(whiteouts=("a/key", "b/key"))]).secrets] == [True]
    assert [each.present_in_final for each in merge([key, layer(whiteouts=("a", "b", "c"))]).secrets] == [False]
    lower = layer("a/key", secrets=("a/key",))
    merged = merge([lower, layer("d/key => a/key"), layer("e => d/key"), layer(whiteouts=("a/key", "d/key"))])
    assert [each.present_in_final for each in merged.secrets] == [True]
    gone = merge([lower, layer("d/key => a/key"), layer("a/key", whiteouts=("d",))])
    assert [each.present_in_final for each in gone.secrets] == [False]


def test_what_is_disputed_is_bounded() -> None:
    """A hundred say it."""
    base = layer("l -> d", *(f"f{number}  4755" for number in range(300)))
    upper = layer(*(f"l/{number}" for number in range(300)), *(f"h{number} => f{number}" for number in range(300)))
    merged = merge([base, upper])
    assert (len(merged.disputed), len(merged.disputed_modes)) == (100, 100)


@pytest.mark.parametrize("before", ["var/lib/dpkg -> x", "var/lib/dpkg", "var/lib/dpkg => etc/x"])
def test_a_directory_that_was_something_else_before_shows_what_is_below(before: str) -> None:
    """On an overlay; whoever has the whole tree has removed it when the directory comes."""
    base = layer("etc/x", "var/lib/dpkg/", DPKG, packages=DPKG)
    merged = merge([base, layer("etc/x", before, "var/lib/dpkg/")])
    assert (left(merged)[DPKG], list(merged.databases), list(merged.disputed)) == (0, [(DPKG, "deb")], ["var/lib/dpkg"])
    assert merge([base, layer("etc/y -> x", "etc/y")]).disputed == {}


def test_a_directory_replaces_a_link_that_it_reaches_by_another_way() -> None:
    """As an entry of another name."""
    base = layer("m/a/", "m/a/package")
    assert list(merge([base, layer("x -> /m", "x/a -> ../x/a/package", "m/a/")]).disputed) == ["m/a"]


@pytest.mark.parametrize("rows", [("var/lib/dpkg/",), ("k -> var/lib", "k/dpkg/"), ("var/lib/dpkg/x",)])
def test_a_directory_beside_its_own_whiteout_may_show_what_is_below(rows: tuple[str, ...]) -> None:
    """An overlay has one of the two; as an opaque directory it would be empty everywhere."""
    base = layer("var/lib/dpkg/", DPKG, packages=DPKG)
    assert list(merge([base, layer(*rows, whiteouts=("var/lib/dpkg",))]).disputed) == ["var/lib/dpkg"]
    for above in (layer("var/lib/dpkg", whiteouts=("var/lib/dpkg",)), layer("x/", whiteouts=("x", "y"))):
        assert merge([base, above]).disputed == {}


def test_what_a_layer_removes_of_its_own_is_disputed() -> None:
    """A file of it goes with a directory that a later entry of the layer replaces, and may be back from below."""
    merged = merge([layer(DPKG, packages=DPKG), last(layer(DPKG, "var/lib/dpkg", "var/lib/dpkg/", packages=DPKG))])
    assert list(merged.disputed) == ["var/lib/dpkg"]


def test_a_link_that_a_file_replaces_in_its_layer_leads_nowhere() -> None:
    """What is read of the path is the file's."""
    merged = merge([layer("etc/passwd -> nothing", "etc/passwd", texts={"etc/passwd": b"app:x:0"})])
    assert merged.texts == {"etc/passwd": b"app:x:0"}


@pytest.mark.parametrize("over", ["c", "c/", "c -> b"])
def test_a_hard_link_that_is_replaced_has_set_the_mode_of_its_file(over: str) -> None:
    """Within its layer as well, and whichever of the other names it was linked to."""
    for rows in (("b", "c => b  4755", over), ("b", "c => b", "d => c  4755", over, "d")):
        merged = merge([last(layer(*rows))])
        assert modes(merged)["b"] == "4644"
        assert set(merged.disputed_modes) & {"c", "d"}


def test_a_mark_in_the_root_is_no_mark_to_an_overlay() -> None:
    """Nor is one below a file of a lower layer to all; below the first layer there is nothing to remove."""
    base = layer("bin/su  4755", "l -> /")
    assert list(merge([base, layer("a", opaque=("",))]).disputed) == [".wh..wh..opq"]
    assert list(merge([base, layer("l -> /", opaque=("l",))]).disputed) == [".wh..wh..opq"]
    assert list(merge([base, layer(opaque=("bin/su",))]).disputed) == ["bin/su"]
    assert merge([base, layer("bin/su/", opaque=("bin/su",))]).disputed == {}
    assert merge([layer("a", opaque=("",))]).disputed == {}
