import io
from dataclasses import replace

from rich.console import Console

from tests.doubles.verdicts import FINDING, a_verdict
from watcher.model.verdict import Action, Category, Outcome, Section, SectionState, Verdict
from watcher.reports.table import verdict_block


def shown(verdict: Verdict) -> str:
    stream = io.StringIO()
    Console(file=stream, width=140, no_color=True).print(verdict_block(verdict))
    return stream.getvalue()


def test_a_block_says_what_why_where_and_how_to_fix_it() -> None:
    """Everything a person needs to act, without another command."""
    text = shown(a_verdict())
    for expected in ("FAIL", "team/app:v1", "linux/amd64", "line 2", "baseline/aws-keys", "COPY . /", "Rotate the key."):
        assert expected in text


def test_what_stops_the_image_comes_first() -> None:
    """Notes of an earlier category do not hide a failure."""
    note = replace(FINDING, rule="baseline/latest-only", action=Action.NOTE, category=Category.BEST_PRACTICE, message="only latest")
    text = shown(a_verdict(findings=(note, FINDING)))
    assert text.index("baseline/aws-keys") < text.index("baseline/latest-only")


def test_text_of_an_image_cannot_move_the_cursor() -> None:
    """Control characters in a path or a history step are shown, not obeyed."""
    hostile = replace(FINDING, message="\x1b[2Jgone\rover [red]markup[/red]")
    text = shown(a_verdict(findings=(hostile,)))
    assert "\x1b" not in text
    assert "\\x1b[2Jgone\\x0dover [red]markup[/red]" in text


def test_a_block_is_no_wider_than_what_it_says() -> None:
    """Where there is no edge nothing is filled up to it, and each finding stands on one line."""
    stream = io.StringIO()
    long = replace(FINDING, message="a key " * 100)
    Console(file=stream, width=100_000, no_color=True).print(verdict_block(a_verdict(findings=(long,))))
    assert ("a key " * 100).strip() in stream.getvalue()
    assert len(stream.getvalue()) < 2000


def test_what_was_not_looked_at_is_said() -> None:
    """A gap is shown with its reason; a section nobody configured is not a gap."""
    sections = {
        "files": Section(state=SectionState.PARTIAL, reason="layer 2 is damaged"),
        "vulnerabilities": Section(state=SectionState.NOT_CONFIGURED, reason="run: watcher advisories update"),
    }
    text = shown(a_verdict(outcome=Outcome.UNKNOWN, findings=(), sections=sections))
    assert "files: partial: layer 2 is damaged" in text
    assert "advisories" not in text


def test_a_thousand_findings_do_not_flood_the_terminal() -> None:
    """The first are listed, the rest are counted."""
    many = tuple(replace(FINDING, key=str(number)) for number in range(1000))
    text = shown(a_verdict(findings=many))
    assert "and 975 more" in text
