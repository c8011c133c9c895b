"""News of many images in little memory."""

from dataclasses import replace

from tests.doubles.verdicts import FINDING, a_verdict
from watcher.model.verdict import Action
from watcher.pipeline.essence import MOST_FINDINGS, Essences
from watcher.publishing.protocol import News

WARNED = replace(FINDING, rule="baseline/root", action=Action.WARN)
NOTED = replace(FINDING, rule="baseline/note", action=Action.NOTE)
EXCEPTED = replace(FINDING, key="other", excepted_by="waiver")


def test_what_nobody_has_to_do_anything_about_is_left_out() -> None:
    """Only what makes the outcome what it is stays; the sections are for a message about one image."""
    found = Essences().of(News(verdict=a_verdict(findings=(NOTED, WARNED, EXCEPTED, FINDING)))).verdict
    assert found.findings == (FINDING,)
    assert found.sections == {}
    assert (found.id, found.outcome, found.subject) == (a_verdict().id, a_verdict().outcome, a_verdict().subject)


def test_what_was_told_before_is_left_out_unless_there_is_nothing_else() -> None:
    told = a_verdict(id="v-0", findings=(FINDING,))
    worded = replace(FINDING, message="worded anew")
    more = replace(FINDING, key="one more")
    news = Essences().of(News(verdict=a_verdict(findings=(worded, more)), told=told))
    assert news.verdict.findings == (more,)
    warned = Essences().of(News(verdict=a_verdict(findings=(worded, WARNED)), told=told))
    assert warned.verdict.findings == (worded,)
    assert news.told is not None
    assert (news.told.id, news.told.findings) == ("v-0", ())
    assert Essences().of(News(verdict=a_verdict(findings=(worded,)), told=told)).verdict.findings == (worded,)


def test_what_images_have_in_common_is_kept_once() -> None:
    essences = Essences()
    first, second = (essences.of(News(verdict=a_verdict(findings=(replace(FINDING),)))).verdict for _ in range(2))
    assert first.findings[0] is second.findings[0]


def test_an_image_with_very_many_findings_is_cut() -> None:
    many = tuple(replace(FINDING, key=f"k-{number}") for number in range(3 * MOST_FINDINGS))
    assert len(Essences().of(News(verdict=a_verdict(findings=many))).verdict.findings) == MOST_FINDINGS
