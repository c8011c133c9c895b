"""Packages in environments of conda."""

import json

import pytest

from tests.doubles.cataloging import database_of
from watcher.inspection.catalogers.conda import MAX_BYTES, CondaCataloger
from watcher.inspection.catalogers.protocol import DamagedDatabaseError
from watcher.model.inventory import PackageRecord

cataloger = CondaCataloger()
PATH = "opt/conda/conda-meta/zlib-1.2.13-h5eee18b_1.json"


def record(**fields: object) -> PackageRecord:
    document = {"name": "zlib", "version": "1.2.13", "build": "h5eee18b_1", **fields}
    database = database_of(cataloger, PATH, json.dumps(document).encode())
    assert database is not None
    (package,) = database.packages
    return package


def test_what_conda_leaves_is_read() -> None:
    """Two builds of a version are different packages."""
    package = record(
        arch="x86_64",
        channel="https://repo.anaconda.com/pkgs/main/linux-64",
        fn="zlib-1.2.13-h5eee18b_1.conda",
        license="Zlib",
        paths_data={"paths": [{"_path": "lib/libz.so", "path_type": "hardlink"}]},
        subdir="linux-64",
    )
    assert (package.type, package.name, package.version, package.licenses) == ("conda", "zlib", "1.2.13", ("Zlib",))
    assert package.purl == "pkg:conda/zlib@1.2.13?build=h5eee18b_1&channel=main&subdir=linux-64&type=conda"


@pytest.mark.parametrize(
    ("channel", "subdir", "named"),
    [
        ("conda-forge", "linux-64", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/", "osx-arm64", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/noarch", "noarch", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/label/dev/linux-64", "linux-64", "conda-forge/label/dev"),
        ("https://conda.anaconda.org/t/to-0123/team/linux-64?x=y", "linux-64", "team"),
        ("https://conda.anaconda.org/t/to-0123/team/linux-64", "linux-64", "team"),
        ("https://user:pass@conda.example.org/team", "", "team"),
        ("https://user:pass@conda.example.org", "", ""),
        ("https://conda.example.org/mirror/t/to-0123/team", "", "mirror/team"),
        ("/t/to-0123/team", "", "team"),
    ],
)
def test_a_channel_is_called_without_where_and_by_whom_it_is_asked(channel: str, subdir: str, named: str) -> None:
    """Tokens of private channels are in the addresses that conda keeps."""
    purl = record(channel=channel, subdir=subdir).purl
    assert named.replace("/", "%2F") == (purl.partition("channel=")[2].partition("&")[0])
    assert "0123" not in purl
    assert "pass" not in purl


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({"url": "https://a/zlib-1.tar.bz2"}, "&type=tar.bz2"), ({"fn": "zlib.whl"}, ""), ({"fn": None, "license": None}, "")],
)
def test_the_type_is_that_of_the_archive(fields: dict[str, object], kind: str) -> None:
    """By its name or its address."""
    assert record(**fields).purl == f"pkg:conda/zlib@1.2.13?build=h5eee18b_1{kind}"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{", b"{}", b'{"name":"a"}', b'{"version":"1"}', b'{"name":1,"version":"1"}', b"[" * 100_000),
        *(b'{"name":"\xff","version":"1"}', b'{"name":" ","version":"1"}'),
    ],
)
def test_what_is_no_record_is_an_error(content: bytes) -> None:
    """It is in a place where only records are: conda itself reads nothing more of such an environment."""
    with pytest.raises(DamagedDatabaseError):
        cataloger.read(PATH, content)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("conda-meta/a-1-0.json", True),
        ("srv/.pixi/envs/default/conda-meta/a-1-0.json", True),
        ("opt/conda/conda-meta/history", False),
        ("opt/conda/myconda-meta/a-1-0.json", False),
        ("opt/conda/conda-meta/more/a.json", False),
    ],
)
def test_records_of_any_environment_are_wanted(path: str, wanted: bool) -> None:
    """Not what else is kept beside them."""
    assert cataloger.wants(path, 100) is wanted
    assert not cataloger.wants(path, MAX_BYTES + 1)
