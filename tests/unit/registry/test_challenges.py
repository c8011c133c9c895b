"""Reading `WWW-Authenticate`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.registry.challenges import parse_challenges, scope, union


def test_bearer_challenge() -> None:
    """Quoted values keep their commas, and a scope is a set."""
    (challenge,) = parse_challenges(
        ['Bearer realm="https://auth.example.com/token",service="reg",scope="repository:a:pull,push repository:b:pull"']
    )
    assert challenge.scheme == "bearer"
    assert challenge.parameters["realm"] == "https://auth.example.com/token"
    assert challenge.scopes == {"repository:a:pull,push", "repository:b:pull"}


def test_several_challenges_in_one_header_and_in_several() -> None:
    """Commas separate challenges as well as parameters."""
    found = parse_challenges(['Basic realm="a, \\"b\\"", Bearer realm=https://x/t , service = reg', "Negotiate"])
    assert [challenge.scheme for challenge in found] == ["basic", "bearer", "negotiate"]
    assert found[0].parameters == {"realm": 'a, "b"'}
    assert found[1].parameters == {"realm": "https://x/t", "service": "reg"}
    assert found[2].parameters == {}


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        ('Negotiate YII/+abc==, Basic realm="r"', ["negotiate", "basic"]),
        ('="x", Basic realm="r"', ["basic"]),
        (', ,Basic realm="r",,', ["basic"]),
        ('"a, b", Bearer realm="x"', ["bearer"]),
        ('Digest realm="a, Basic b", qop="auth,auth-int", Bearer realm="x"', ["digest", "bearer"]),
        ('Basic realm="r" Bearer realm="x"', ["basic", "bearer"]),
        ("", []),
    ],
)
def test_what_cannot_be_read_hides_nothing_that_can(header: str, schemes: list[str]) -> None:
    """Binary data, empty elements, and commas that are missing."""
    assert [
        each.scheme for each in parse_challenges([header]) if each.scheme in {"basic", "bearer", "digest", "negotiate"}
    ] == schemes
    (challenge,) = parse_challenges(['Bearer realm="x" service="y"'])
    assert challenge.parameters == {"realm": "x", "service": "y"}


@given(st.lists(st.text(max_size=200), max_size=3))
def test_any_header_is_read_without_an_exception(headers: list[str]) -> None:
    """Whatever a registry sends, there are challenges or none."""
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()


def test_union_merges_the_actions_of_one_repository() -> None:
    """One scope per resource, sorted, so that equal needs share a token."""
    assert scope("team/app", "pull", "push") == "repository:team/app:pull,push"
    asked = frozenset({"repository:b:pull", "repository:a:push", "repository:a:pull", "repository:a:pull,delete"})
    assert union(asked) == ["repository:a:delete,pull,push", "repository:b:pull"]


def test_a_scope_of_another_form_stays_as_it_is() -> None:
    """The public gallery of AWS asks for `aws`."""
    assert union(frozenset({"aws"})) == ["aws"]
