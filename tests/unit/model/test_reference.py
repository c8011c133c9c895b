import pytest

from watcher.model.errors import InvalidReferenceError
from watcher.model.reference import parse_host, parse_reference, parse_repository, parse_tag

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:12", "docker.io/library/debian:12"),
        ("acme/web:1", "docker.io/acme/web:1"),
        ("index.docker.io/acme/web:1", "docker.io/acme/web:1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/team/app:v1", "localhost:5000/team/app:v1"),
        (f"registry.example.com/app@{DIGEST}", f"registry.example.com/app@{DIGEST}"),
        (f"registry.example.com/app:v1@{DIGEST}", f"registry.example.com/app:v1@{DIGEST}"),
        ("[::1]:5000/app:v1", "[::1]:5000/app:v1"),
    ],
)
def test_a_reference_gets_dockers_defaults(text: str, expected: str) -> None:
    """A missing host is Docker Hub, a missing tag is latest, and a digest needs no tag."""
    assert str(parse_reference(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "UPPER/case", "a/../b", "host.example//a", "a:", "a:-bad", f"a@{DIGEST[:-1]}", "a@sha1:" + "a" * 40, "-a", "a b"]
)
def test_a_reference_that_breaks_the_grammar_is_refused(text: str) -> None:
    """Nothing that the distribution-spec does not allow gets past the rim."""
    with pytest.raises(InvalidReferenceError):
        parse_reference(text)


def test_a_repository_may_not_climb() -> None:
    """`..` is no component of a repository name."""
    with pytest.raises(InvalidReferenceError, match="not a valid repository"):
        parse_repository("team/../../etc")


def test_a_repository_has_a_bounded_length() -> None:
    """A name of megabytes is refused before any expression sees it."""
    with pytest.raises(InvalidReferenceError):
        parse_repository("a" * 256)


def test_a_tag_has_at_most_128_characters() -> None:
    """The limit of the specification."""
    assert parse_tag("a" * 128)
    with pytest.raises(InvalidReferenceError):
        parse_tag("a" * 129)


def test_a_host_is_lower_cased() -> None:
    """Host names do not differ by case."""
    assert parse_host("Registry.Example.COM:443") == "registry.example.com:443"
