"""Packages of Nix by where they are."""

import pytest

from watcher.inspection.image.installed import packages_of
from watcher.inspection.image.merge import merge
from watcher.inspection.image.nix_store import package
from watcher.model.digest import digest_of
from watcher.model.inventory import Distro, FileTable, LayerFacts

HASH = "h0cnbmfcn93xm5dg2x27ixhag1cwndga"


def layer(*rows: str) -> LayerFacts:
    """`path`, `path/` and `path -> target`."""
    files = FileTable()
    for row in rows:
        path, _, target = row.partition(" -> ")
        files.path.append(path.rstrip("/"))
        files.kind.append("l" if target else "d" if path.endswith("/") else "f")
        files.link.append(target)
        for column in (files.mode, files.uid, files.gid, files.size):
            column.append(0)
    return LayerFacts(digest=digest_of(repr(rows).encode()), compressed_bytes=0, plain_bytes=0, files=files)


@pytest.mark.parametrize(
    ("name", "called", "version", "output"),
    [
        ("glibc-2.34-210", "glibc", "2.34-210", ""),
        ("glibc-2.34-210-bin", "glibc", "2.34-210", "bin"),
        ("gcc-13.2.0-lib", "gcc", "13.2.0", "lib"),
        ("python3.11-requests-2.31.0", "python3.11-requests", "2.31.0", ""),
        ("nix-unstable-2021-01-02", "nix", "unstable-2021-01-02", ""),
        ("libX11-1.8.7", "libX11", "1.8.7", ""),
        ("cargo-0.1+build", "cargo", "0.1+build", ""),
    ],
)
def test_a_name_is_followed_by_its_version(name: str, called: str, version: str, output: str) -> None:
    """And that by the output, which has no digit."""
    found = package(f"{HASH}-{name}")
    assert found is not None
    assert (found.name, found.version) == (called, version)
    assert f"outputhash={HASH}" in found.purl
    assert (f"output={output}&" in found.purl) is bool(output)


@pytest.mark.parametrize(
    "name", [f"{HASH}-source", f"{HASH}-glibc-2.34.drv", "short-a-1", f"{HASH}-a-1\n", f"{HASH}-a-1{'0' * 200}", HASH, "", "-1"]
)
def test_what_says_no_version_is_no_package(name: str) -> None:
    """Nor what is only how one would be made."""
    assert package(name) is None


def test_a_package_is_of_the_layer_that_its_directory_is_of() -> None:
    """Files in the store are none; what was removed is none any more; links are followed, and rows need not be there for each."""
    lower = layer(
        "nix -> data",
        f"data/store/{HASH}-a-1/",
        f"data/store/{HASH}-a-1-b-2/x",
        f"data/store/{HASH}-a-1/bin/a",
        f"data/store/{HASH}-a-1.patch",
        f"data/store/{HASH}-c-1 -> elsewhere",
    )
    upper = layer(f"data/store/{HASH}-d-4/bin/d")
    merged = merge([lower, upper])
    found = packages_of(merged, Distro(id="nixos", known=True), 1)
    assert [(each.record.name, each.record.version, each.path, each.layer, each.from_base) for each in found] == [
        ("a", "1", f"data/store/{HASH}-a-1", 0, True),
        ("a", "1-b-2", f"data/store/{HASH}-a-1-b-2", 0, True),
        ("d", "4", f"data/store/{HASH}-d-4", 1, False),
    ]
    assert merged.unread_databases == {}
