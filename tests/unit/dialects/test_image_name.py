"""Images in one text."""

import pytest

from watcher.dialects.image_name import split_image


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("registry.example.com:5000/team/app:v1@sha256:00", ("registry.example.com:5000", "team/app", "v1", "sha256:00")),
        ("localhost/app", ("localhost", "app", None, None)),
        ("localhost:5000/app", ("localhost:5000", "app", None, None)),
        ("team/app:v1", (None, "team/app", "v1", None)),
        ("alpine", (None, "alpine", None, None)),
        ("index.docker.io/alpine:3", ("docker.io", "library/alpine", "3", None)),
        ("docker.io/crazymax/diun:latest", ("docker.io", "crazymax/diun", "latest", None)),
        ("", (None, "", None, None)),
        ("a.b/:@", ("a.b", "", None, None)),
        ("https://registry.example.com/team/app:v1", ("registry.example.com", "team/app", "v1", None)),
        ("registry.example.com:5000/app:sha256:00", ("registry.example.com:5000", "app", None, "sha256:00")),
        ("registry.example.com/app:sha512:00", ("registry.example.com", "app", None, "sha512:00")),
        ("registry.example.com/sha256:v1", ("registry.example.com", "sha256", "v1", None)),
    ],
)
def test_an_image_is_taken_apart_without_guessing(text: str, parts: tuple[str | None, ...]) -> None:
    """No tag is not `latest`, and no host is not Docker Hub: an event without them is about its source's registry."""
    image = split_image(text)
    assert (image.host, image.repository, image.tag, image.digest) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("harbor/team/app:v1", ("harbor", "team/app", "v1", None)),
        ("harbor:8443/team/app@sha256:00", ("harbor:8443", "team/app", None, "sha256:00")),
        ("harbor.example.com/team/app", ("harbor.example.com", "team/app", None, None)),
        ("team/app:v1", (None, "team/app", "v1", None)),
        ("/team/app:v1", (None, "team/app", "v1", None)),
        ("a/b/team/app:v1", (None, "a/b/team/app", "v1", None)),
        ("harbor/another/app:v1", (None, "harbor/another/app", "v1", None)),
    ],
)
def test_what_stands_before_a_known_repository_is_a_host(text: str, parts: tuple[str | None, ...]) -> None:
    """Also one without a dot, as registries in a cluster have; one component, and nothing else."""
    image = split_image(text, "team/app")
    assert (image.host, image.repository, image.tag, image.digest) == parts
