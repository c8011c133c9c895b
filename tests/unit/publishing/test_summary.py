"""Many verdicts in one message."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.doubles.verdicts import FINDING, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Action, Finding, Outcome, Verdict
from watcher.publishing.message import Level
from watcher.publishing.message_layout import body_text, title_text
from watcher.publishing.message_markup import PLAIN
from watcher.publishing.protocol import News
from watcher.publishing.summary import summary_message

ASKED = (Outcome.FAIL, Outcome.UNKNOWN)


def vulnerable(advisory: str, severity: str = "CRITICAL", package: str = "openssl") -> Finding:
    return Finding(
        rule="vulnerabilities/fixable",
        action=Action.FAIL,
        key=f"{advisory}@pkg:deb/debian/{package}@3.0.1",
        title="No fixable vulnerabilities",
        message=f"{advisory} ({severity}) in {package} 3.0.1, fixed in 3.0.2",
        remediation="Update the package.",
    )


def image(
    number: int, *findings: Finding, repository: str = "team/app", owner: str = "", outcome: Outcome = Outcome.FAIL
) -> Verdict:
    subject = replace(
        SUBJECT, repository=RepositoryName(repository), digest=Digest(f"sha256:{number:064}"), tags=(Tag(f"v{number}"),)
    )
    return a_verdict(
        id=f"v-{number}-{outcome.value}", subject=subject, tag=subject.tags[0], findings=findings, owner=owner, outcome=outcome
    )


def said(news: Sequence[News | Verdict], *, held: str = "") -> tuple[str, str]:
    """Title and body, as plain text."""
    told = [each if isinstance(each, News) else News(verdict=each) for each in news]
    message = summary_message(told, outcomes=ASKED, held=held, link="https://watcher.example.com/api/v1/verdicts?outcome=fail")
    return title_text(message, most=250), body_text(message, PLAIN, most=4000)


def test_one_vulnerability_in_many_images_is_one_line() -> None:
    """With how many images and owners it concerns, what to do, and which images they are."""
    images = [
        image(number, vulnerable("CVE-2026-1"), repository=f"team{number % 9}/app", owner=f"team{number % 9}")
        for number in range(214)
    ]
    title, body = said(images)
    assert title == "CVE-2026-1 (CRITICAL): 214 images, 9 owners"
    lines = body.splitlines()
    assert "CVE-2026-1 (CRITICAL): 214 images, 9 owners" in lines[0]
    assert [line.strip() for line in lines[1:6]] == [
        "Update the package.",
        "registry.example.com/team0/app:v0",
        "registry.example.com/team1/app:v1",
        "registry.example.com/team2/app:v2",
        "and 211 more images",
    ]
    assert lines[-1].endswith("https://watcher.example.com/api/v1/verdicts?outcome=fail")


def test_another_rule_is_broken_by_a_repository() -> None:
    """The same key in three images of one repository is one thing to do; in another repository it is another's."""
    title, _ = said([image(number, FINDING) for number in range(3)])
    assert title == "No AWS keys: 3 images of registry.example.com/team/app"
    title, body = said([image(1, FINDING), image(2, FINDING, repository="team/web")])
    assert title == "2 images: 2 fail"
    assert "No AWS keys: 1 image of registry.example.com/team/web" in body
    assert body.count(FINDING.message) == 2
    assert said([image(number, FINDING, owner="shop") for number in range(2)])[0].endswith("team/app (shop)")


def test_what_is_worst_and_widest_comes_first() -> None:
    """An image can have several causes; each is counted with it."""
    wide, narrow, mild = vulnerable("CVE-2026-1"), vulnerable("CVE-2026-2"), vulnerable("CVE-2026-3", "LOW")
    title, body = said([image(1, mild, wide), image(2, mild, wide, narrow), image(3, mild)])
    assert title == "3 images: 3 fail"
    causes = [line for line in body.splitlines() if "fail:" in line]
    assert [line.split("fail: ")[1] for line in causes] == [
        "CVE-2026-1 (CRITICAL): 2 images",
        "CVE-2026-2 (CRITICAL): 1 image",
        "CVE-2026-3 (LOW): 3 images",
    ]


def test_only_what_is_new_is_a_cause() -> None:
    """Whoever was told of a failure need not read the same reasons again, unless there are no others."""
    old, new = vulnerable("CVE-2026-1"), vulnerable("CVE-2026-2")
    title, _ = said([News(verdict=image(1, old, new), told=image(1, old)), News(verdict=image(2, new))])
    assert title == "CVE-2026-2 (CRITICAL): 2 images"
    title, _ = said([News(verdict=image(1, old), told=image(1, old, new)), News(verdict=image(2, old))])
    assert title == "CVE-2026-1 (CRITICAL): 2 images"


def test_what_is_over_is_told_beside_what_is_not() -> None:
    """By name, as far as there is room."""
    passed = [image(number, outcome=Outcome.PASS, owner="payments") for number in range(10, 17)]
    title, body = said([image(1, FINDING), *passed])
    assert title == "8 images: 1 fail, 7 resolved, 1 owner"
    assert "resolved: 7 images" in body
    assert "registry.example.com/team/app:v10 is now pass" in body
    assert "… and 2 more images" in body
    title, _ = said(passed)
    assert title == "7 images: 7 resolved, 1 owner"
    message = summary_message([News(verdict=each) for each in passed], outcomes=ASKED)
    assert message.level is Level.GOOD


def test_an_image_that_could_not_be_judged_is_grouped_by_why() -> None:
    """There are no findings to group by."""
    away = [
        replace(image(number, outcome=Outcome.UNKNOWN), reason=f"registry-refused: 403 for layer {number}") for number in range(4)
    ]
    assert said(away)[0] == "registry-refused: 4 images"


def test_of_several_verdicts_of_an_image_the_last_is_told() -> None:
    """What changed while it was held is over."""
    title, _ = said([image(1, FINDING), image(2, FINDING), image(1, outcome=Outcome.PASS)])
    assert title == "2 images: 1 fail, 1 resolved"


@pytest.mark.parametrize(("held", "word"), [("quiet-hours", "quiet hours"), ("digest", "digest"), ("budget", "hour")])
def test_what_was_held_says_why(held: str, word: str) -> None:
    assert word in said([image(1, FINDING), image(2, FINDING)], held=held)[1].splitlines()[0]


def test_an_excepted_finding_is_no_cause() -> None:
    """Nobody has to do anything about it."""
    excepted = replace(vulnerable("CVE-2026-1"), excepted_by="waiver")
    assert said([image(1, excepted, FINDING), image(2, excepted, FINDING)])[0].startswith("No AWS keys: 2 images")


def test_more_causes_than_can_be_read_are_counted() -> None:
    title, body = said([image(number, vulnerable(f"CVE-2026-{number}")) for number in range(1, 31)])
    assert title == "30 images: 30 fail"
    assert "… and 20 more causes" in body
