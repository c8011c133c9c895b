import pytest

from tests.doubles.code_hosts import SHA
from watcher.publishing.source_commit import REVISION, SOURCE, CodeHost, Commit, Doubt, claimed_commit

GITHUB = CodeHost(host="github.com", repositories=("my-org/*",))
GITLAB = CodeHost(host="git.example.com", root="/gitlab/", groups=True, repositories=("group/**",))


def claimed(source: str, at: CodeHost = GITHUB, revision: str = SHA) -> Commit | Doubt:
    return claimed_commit({SOURCE: source, REVISION: revision}, at)


@pytest.mark.parametrize(
    "source",
    [
        "https://github.com/my-org/app",
        "https://github.com/my-org/app.git",
        "https://github.com/my-org/app/",
        "https://GitHub.com/my-org/app",
        "https://user:secret@github.com:443/my-org/app?x#y",
        "git+https://github.com/my-org/app.git",
        "ssh://git@github.com/my-org/app.git",
        "git@github.com:my-org/app.git",
        "git://github.com/my-org/app",
        " https://github.com/my-org/app/tree/main/images ",
        "https://github.com/my-org/app\n",
    ],
)
def test_a_repository_is_known_however_it_is_written(source: str) -> None:
    """As a browser shows it, as git clones it, as tools write it."""
    assert claimed(source) == Commit(repository="my-org/app", sha=SHA)


def test_groups_stand_within_groups_where_the_host_has_them() -> None:
    """At GitLab, below its own path, and without what its pages have behind the project."""
    found = claimed("https://git.example.com/gitlab/group/team/app/-/tree/main", GITLAB)
    assert found == Commit(repository="group/team/app", sha=SHA)
    assert claimed("https://git.example.com/group/team/app", GITLAB) is Doubt.NO_SOURCE
    assert claimed("https://git.example.com/gitlab2/group/app", GITLAB) is Doubt.NO_SOURCE


def test_names_are_compared_as_hosts_compare_them() -> None:
    """Without regard to case, and told as they are written."""
    assert claimed("https://github.com/My-Org/App") == Commit(repository="My-Org/App", sha=SHA)


@pytest.mark.parametrize(
    ("source", "doubt"),
    [
        ("", Doubt.NO_SOURCE),
        ("my-org/app", Doubt.NO_SOURCE),
        ("https://github.com", Doubt.NO_SOURCE),
        ("https://github.com/my-org", Doubt.NO_SOURCE),
        ("https://github.com/my-org/app/extra", Doubt.NO_SOURCE),
        ("https://github.com/my-org/..", Doubt.NO_SOURCE),
        ("https://github.com/my-org/a%2Fb", Doubt.NO_SOURCE),
        ("https://github.com/my-org/a\x00b", Doubt.NO_SOURCE),
        ("https://github.com/my-org/" + "a" * 2000, Doubt.NO_SOURCE),
        ("https://[github.com/my-org/app", Doubt.NO_SOURCE),
        ("javascript://github.com/my-org/app", Doubt.NO_SOURCE),
        ("https://github.com.evil.example/my-org/app", Doubt.OTHER_HOST),
        ("https://github.com@evil.example/my-org/app", Doubt.OTHER_HOST),
        ("git@evil.example:my-org/app", Doubt.OTHER_HOST),
        ("https://github.com/other-org/app", Doubt.NOT_LISTED),
        ("https://github.com/my-org-2/app", Doubt.NOT_LISTED),
        ("https://github.com/x/my-org", Doubt.NOT_LISTED),
    ],
)
def test_what_is_no_repository_of_ours_is_told_nothing(source: str, doubt: Doubt) -> None:
    """Labels are claims of whoever built the image."""
    assert claimed(source) == doubt


@pytest.mark.parametrize("revision", ["", "main", SHA[:7], f"{SHA}-dirty", f"{SHA}/../x", "g" * 40, SHA + "0"])
def test_what_is_no_commit_is_told_nothing(revision: str) -> None:
    """A branch would be another commit tomorrow."""
    assert claimed("https://github.com/my-org/app", revision=revision) is Doubt.NO_REVISION


@pytest.mark.parametrize("revision", [SHA.upper(), "a" * 64])
def test_a_commit_has_a_whole_digest(revision: str) -> None:
    """SHA-1 or SHA-256."""
    assert claimed("https://github.com/my-org/app", revision=revision) == Commit(repository="my-org/app", sha=revision.lower())
