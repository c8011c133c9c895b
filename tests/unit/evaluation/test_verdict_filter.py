"""Which verdicts a destination is told of, said by an expression."""

import pytest

from tests.doubles.verdicts import SUBJECT, a_verdict
from watcher.evaluation.verdict_filter import VerdictFilter
from watcher.model.errors import PolicyError


@pytest.mark.parametrize(
    "expression",
    [
        'outcome == "fail"',
        'registry == "registry.example.com" && repository.startsWith("team/") && "v1" in tags && tag == "v1"',
        'environment == "production" && owner == "payments" && actor == "ci" && source == "main"',
        'findings.exists(f, f.rule == "baseline/aws-keys" && f.action == "fail" && f.path.endsWith("credentials"))',
        'findings.all(f, f.excepted_by == "" && f.platform == "" && f.category == "security" && f.title != "")',
        'platform == "linux/amd64" && digest.startsWith("sha256:") && reason == ""',
        "size(findings) == 1",
    ],
)
def test_it_reads_what_a_verdict_says(expression: str) -> None:
    assert VerdictFilter(expression).takes(a_verdict(owner="payments"))
    assert not VerdictFilter(f"!({expression})").takes(a_verdict(owner="payments"))


def test_what_a_verdict_does_not_say_is_empty() -> None:
    """Not an error, since most verdicts lack something."""
    bare = a_verdict(
        tag=None,
        platform=None,
        origin=None,
        findings=(),
        subject=type(SUBJECT)(registry=SUBJECT.registry, repository=SUBJECT.repository, digest=SUBJECT.digest),
    )
    assert VerdictFilter(
        'tag == "" && platform == "" && environment == "" && actor == "" && source == "" && owner == "" && tags == []'
    ).takes(bare)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ('outcom == "fail"', "1:1: undeclared reference to 'outcom'"),
        ('outcome == "fail" &&', "1:"),
        ("outcome == 1", "1:9: "),
        ('outcome + "x"', "true or false"),
        ("true &&\n  tag.nope", "2:"),
    ],
)
def test_a_mistake_is_told_with_its_place(expression: str, complaint: str) -> None:
    """Before there is any verdict."""
    with pytest.raises(PolicyError) as raised:
        VerdictFilter(expression)
    assert complaint in str(raised.value)


@pytest.mark.parametrize("expression", ['findings[7].rule == "x"', 'findings.exists(f, f.nope == "x")', "1 / size(reason) == 1"])
def test_an_expression_that_errs_is_neither_true_nor_false(expression: str) -> None:
    """Whoever asks has to know that, since the destination is told then."""
    with pytest.raises(PolicyError):
        VerdictFilter(expression).takes(a_verdict())
