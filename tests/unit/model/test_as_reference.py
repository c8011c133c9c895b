"""What people type for an image who come from other tools."""

import pytest

from watcher.model.as_reference import as_reference
from watcher.model.errors import InvalidReferenceError


@pytest.mark.parametrize(
    ("typed", "reference"),
    [
        ("docker://registry.example.com/team/app:v1", "registry.example.com/team/app:v1"),
        ("docker://ubuntu", "ubuntu"),
        ("registry.example.com:5000/team/app", "registry.example.com:5000/team/app"),
        ("app.tar", "app.tar"),
        ("oci", "oci"),
    ],
)
def test_a_name_is_taken(typed: str, reference: str) -> None:
    """With `docker://` before it, as with skopeo, and without."""
    assert as_reference(typed) == reference


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("docker-daemon:team/app:v1", "`docker save -o FILE team/app:v1`, then docker-archive:FILE"),
        ("containers-storage:localhost/app", "`podman save -o FILE localhost/app`, then docker-archive:FILE"),
        ("https://registry.example.com/team/app:v1", "as in registry.example.com/team/app:v1"),
        ("dir:build", "`skopeo copy dir:build oci:FOLDER`"),
        ("oci:build", "only images of a registry"),
        ("./build", "only images of a registry"),
        ("/srv/build:v1", "only images of a registry"),
        ("build/", "only images of a registry"),
        (".", "only images of a registry"),
    ],
)
def test_anything_else_is_explained(typed: str, advice: str) -> None:
    """In one sentence, with what to write."""
    with pytest.raises(InvalidReferenceError) as refused:
        as_reference(typed)
    assert advice in str(refused.value)
    assert "\n" not in str(refused.value)
