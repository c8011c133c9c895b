from dataclasses import replace

import pytest

from tests.doubles.verdicts import a_verdict
from watcher.model.digest import Digest
from watcher.model.reference import Tag
from watcher.model.verdict import Action, Finding, Outcome, Verdict
from watcher.pipeline.routing import Route, only_news, publishers_of

FOUND = Finding(rule="baseline/root", action=Action.FAIL, message="runs as root", key="user")
FAIL = a_verdict(outcome=Outcome.FAIL, findings=(FOUND,))
PASS = a_verdict(id="v-2", outcome=Outcome.PASS, findings=())


def takes(verdict: Verdict, earlier: Verdict | None, *, only_changes: bool = True) -> bool:
    return Route(publisher="chat", outcomes=(Outcome.FAIL,), only_changes=only_changes).takes(verdict, earlier)


@pytest.mark.parametrize("earlier", [None, PASS, FAIL])
def test_the_outcome_alone_decides_unless_changes_are_asked_for(earlier: Verdict | None) -> None:
    """A referrer is renewed by every verdict, also by one that says the same again."""
    assert takes(FAIL, earlier, only_changes=False)
    assert not takes(PASS, earlier, only_changes=False)


def test_the_first_verdict_is_a_change() -> None:
    """Of an image that fails from the start somebody hears; of one that passes nobody who asked for failures."""
    assert takes(FAIL, None)
    assert not takes(PASS, None)


def test_what_was_said_before_is_no_change() -> None:
    """The same findings, worded and dated anew, are told once."""
    again = replace(FAIL, id="v-3", findings=(replace(FOUND, message="the process runs as root"),))
    assert not takes(again, FAIL)


def test_another_finding_is_a_change() -> None:
    """An image that failed and now fails for one more reason is news."""
    worse = replace(FAIL, findings=(FOUND, replace(FOUND, key="port-22")))
    assert takes(worse, FAIL)


def test_a_finding_that_is_excepted_now_is_a_change() -> None:
    """It does not count any more, although it is still listed."""
    assert takes(replace(FAIL, findings=(replace(FOUND, excepted_by="waiver"),)), FAIL)


def test_who_was_told_of_a_failure_is_told_that_it_is_over() -> None:
    """The verdict that leaves the outcomes asked for is told, and none after it."""
    assert takes(PASS, FAIL)
    assert not takes(replace(PASS, findings=(FOUND,)), PASS)


@pytest.mark.parametrize(
    ("images", "taken"),
    [
        (("registry.example.com/**",), True),
        (("registry.example.com/team/*",), True),
        (("registry.example.com/*",), False),
        (("x", "*/*/app"), True),
    ],
)
def test_only_verdicts_of_the_images_that_are_meant(images: tuple[str, ...], taken: bool) -> None:
    """By their names, with the registry."""
    assert Route(publisher="chat", outcomes=(Outcome.FAIL,), images=images).takes(FAIL, None) is taken


def test_only_verdicts_of_the_owners_that_are_meant() -> None:
    route = Route(publisher="chat", outcomes=(Outcome.FAIL,), owned_by=lambda owner: owner == "payments")
    assert route.takes(replace(FAIL, owner="payments"), None)
    assert not route.takes(FAIL, None)


def test_who_reads_is_told_of_an_index_once() -> None:
    """Its verdict has the findings of all its platforms; each of these has one of its own for machines."""
    part = replace(FAIL, index_digest=FAIL.subject.digest)
    assert Route(publisher="queue", outcomes=(Outcome.FAIL,)).takes(part, None)
    assert not Route(publisher="chat", outcomes=(Outcome.FAIL,), parts=False).takes(part, None)
    assert Route(publisher="chat", outcomes=(Outcome.FAIL,), parts=False).takes(FAIL, None)


def test_who_knows_images_by_their_tags_hears_of_the_one_that_mends_it() -> None:
    """A fix is another image by the same tag. Whoever knows images by their digests has not heard of it."""
    replaced, fixed = FAIL, replace(PASS, subject=replace(PASS.subject, digest=Digest("sha256:" + "9" * 64)))
    by_tags = Route(publisher="chat", outcomes=(Outcome.FAIL,), only_changes=True, follows_tags=True)
    by_digests = Route(publisher="queue", outcomes=(Outcome.FAIL,), only_changes=True)
    assert publishers_of([by_tags, by_digests], fixed, None, replaced=replaced) == ["chat"]
    assert publishers_of([by_tags, by_digests], fixed, None, replaced=PASS) == []
    assert publishers_of([by_tags, by_digests], replace(fixed, outcome=Outcome.FAIL), None, replaced=replaced) == ["chat", "queue"]


def test_every_route_that_takes_a_verdict_gets_it() -> None:
    """Routes do not know of each other."""
    routes = [
        Route(publisher="referrer", outcomes=tuple(Outcome)),
        Route(publisher="chat", outcomes=(Outcome.FAIL,), only_changes=True),
        Route(publisher="audit", outcomes=(Outcome.FAIL,)),
    ]
    assert publishers_of(routes, PASS, FAIL) == ["referrer", "chat"]


def test_what_stands_at_a_destination_is_taken_away_by_any_verdict() -> None:
    """It hears of outcomes that it does not want, too, for what was there by the same tag before."""
    keeps = Route(publisher="bus", outcomes=(Outcome.FAIL,), keeps_state=True)
    assert keeps.takes(PASS, None)
    assert keeps.takes(FAIL, FAIL)


def test_what_is_renewed_is_told_though_it_only_repeats() -> None:
    """Of the outcomes that are renewed, and of the images that are meant."""
    renewing = Route(publisher="referrer", outcomes=tuple(Outcome), keeps_state=True, renews=(Outcome.PASS,))
    again = replace(PASS, id="v-3")
    assert only_news([renewing], again, PASS) == ["referrer"]
    assert only_news([renewing], replace(FAIL, id="v-3"), FAIL) == []
    assert only_news([replace(renewing, images=("elsewhere/**",))], again, PASS) == []


def test_an_image_that_is_judged_again_is_news_only_by_its_tags() -> None:
    """To those who keep something for each; to nobody where they are the same."""
    routes = [Route(publisher="log", outcomes=tuple(Outcome)), Route(publisher="bus", outcomes=(), keeps_state=True)]
    moved = replace(FAIL, id="v-3", subject=replace(FAIL.subject, tags=(Tag("v2"),)))
    assert only_news(routes, replace(FAIL, id="v-3"), FAIL) == []
    assert only_news(routes, moved, FAIL) == ["bus"]
    assert only_news(routes, PASS, FAIL) == ["log", "bus"]
