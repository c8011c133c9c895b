"""A path where an image is expected."""

from pathlib import Path

import pytest

from tests.doubles.image_files import docker_save, layout, write_folder, write_tar
from watcher.model.errors import ConfigurationError
from watcher.registry.layouts import LocalImage
from watcher.registry.local_paths import local_at
from watcher.testing.images import build_image, build_layer

IMAGE = build_image([build_layer({"a": "b"}, compression="none")])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "build", layout({"v1": IMAGE}))
    write_tar(tmp_path / "oci.tar", layout({"v1": IMAGE}))
    write_tar(tmp_path / "saved.tar", docker_save(IMAGE, "team/app:v1"))
    write_tar(tmp_path / "both.tar", {**layout({"v1": IMAGE}), **docker_save(IMAGE, "team/app:v1")})
    write_tar(tmp_path / "other.tar", {"a": b"b"})
    (tmp_path / "text.tar").write_text("no tar")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "read_as"),
    [
        ("./build", "oci:build"),
        ("build/", "oci:build"),
        ("./build:v1", "oci:build:v1"),
        ("oci.tar", "oci-archive:oci.tar"),
        ("./saved.tar", "docker-archive:saved.tar"),
        ("both.tar", "oci-archive:both.tar"),
    ],
)
def test_what_lies_there_says_what_it_is(typed: str, read_as: str) -> None:
    """An archive that is of both kinds has the digests of a registry as a layout."""
    assert str(local_at(typed)) == read_as


def test_an_absolute_path_is_one(folder: Path) -> None:
    """As a script has it."""
    assert local_at(f"{folder}/build") == LocalImage(kind="oci", path=folder / "build")


@pytest.mark.parametrize("typed", ["build", "team/app", "registry.example.com/team/app:v1", "gone.tar"])
def test_what_may_be_a_name_is_one(typed: str) -> None:
    """Of a registry, as with docker, also where a folder is called so."""
    assert local_at(typed) is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("./gone", "there is nothing at this path"),
        ("./empty", "no OCI layout"),
        ("./other.tar", "neither an OCI archive nor one of `docker save`"),
        ("./text.tar", "it is no tar, or damaged"),
    ],
)
def test_what_is_no_image_is_explained(typed: str, said: str) -> None:
    """With the forms that an image in files has."""
    with pytest.raises(ConfigurationError) as refused:
        local_at(typed)
    assert said in str(refused.value)
    assert ("oci:FOLDER" in str(refused.value)) is (typed != "./gone")
