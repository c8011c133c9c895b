from dataclasses import replace

import pytest

from tests.doubles.hostile_verdicts import a_verdict_with_findings
from tests.doubles.verdicts import FINDING, a_verdict
from watcher.model.verdict import Action, Finding, Outcome, Section, SectionState, Verdict
from watcher.publishing.message import Level
from watcher.publishing.message_layout import body_text, title_text
from watcher.publishing.message_markup import PLAIN
from watcher.publishing.verdict_message import verdict_message


def title(verdict: Verdict, *, resolved: bool = False) -> str:
    return title_text(verdict_message(verdict, resolved=resolved), most=500)


def body(verdict: Verdict) -> list[str]:
    return body_text(verdict_message(verdict), PLAIN, most=5000).splitlines()


def test_a_verdict_is_told_with_the_worst_of_it() -> None:
    """What, where, who, by which policies, three findings with what to do, and how to get the image."""
    verdict = replace(a_verdict_with_findings(), owner="payments")
    assert title(verdict) == "fail: registry.example.com/team/app:v1 (production)"
    assert body(verdict) == [
        "registry.example.com/team/app:v1@sha256:111111111111 for linux/amd64",
        "pushed by ci",
        "belongs to payments",
        "judged by baseline 1.0.0",
        "",
        "3 fail, 1 warn",
        "",
        "- fail: CVE-2020-14343 (CRITICAL) in PyYAML 5.3.1, fixed in 5.4",
        "  vulnerabilities/fixable: Upgrade the package, or rebuild on a base image that has the fix.",
        "- fail: AWS access key in /root/.aws/credentials line 2 (+1 more like it)",
        "  baseline/aws-keys: Rotate the key.",
        "- warn: runs as root",
        "  baseline/root: Add a USER.",
        "",
        f"to pull what was judged: {verdict.subject.name}",
    ]


def test_what_is_not_known_takes_no_room() -> None:
    """No tag, no environment, no platform, nobody who pushed: no line says so."""
    verdict = a_verdict(tag=None, platform=None, origin=None, policies=(), findings=())
    verdict = replace(verdict, subject=replace(verdict.subject, environment=None))
    assert title(verdict) == "fail: registry.example.com/team/app@sha256:111111111111"
    assert body(verdict) == [
        "registry.example.com/team/app@sha256:111111111111",
        "",
        f"to pull what was judged: {verdict.subject.name}",
    ]


def finding(rule: str, action: Action, message: str, platform: str | None = None) -> Finding:
    return Finding(rule=rule, action=action, message=message, platform=platform)


def test_the_worst_comes_first() -> None:
    """Fail, unknown, warn; within them by severity, where a message says it. Notes and what is excepted are not told."""
    verdict = a_verdict(
        findings=(
            finding("a/warn", Action.WARN, "CVE-1 (CRITICAL) in a"),
            finding("b/unknown", Action.UNKNOWN, "packages are incomplete"),
            finding("c/low", Action.FAIL, "CVE-2 (LOW) in b"),
            finding("d/high", Action.FAIL, "CVE-3 (HIGH) in c"),
            finding("d/high", Action.FAIL, "CVE-4 (CRITICAL) in d", platform="linux/arm64"),
            finding("e/note", Action.NOTE, "noted"),
            replace(FINDING, excepted_by="PROJ-1"),
        )
    )
    lines = body(verdict)
    assert [line for line in lines if line.startswith("- ")] == [
        "- fail: linux/arm64: CVE-4 (CRITICAL) in d (+1 more like it)",
        "- fail: CVE-2 (LOW) in b",
        "- unknown: packages are incomplete",
        "- … and 1 more",
    ]
    assert "3 fail, 1 unknown, 1 warn" in lines


def test_why_it_could_not_be_decided_is_said() -> None:
    """Sections with one reason share a line; what nobody configured is no surprise."""
    missing = Section(state=SectionState.MISSING, reason="the layer is damaged")
    sections = {
        "packages": missing,
        "files": missing,
        "secrets": Section(state=SectionState.PARTIAL, reason="larger than 10GiB"),
        "provenance": Section(state=SectionState.NOT_CONFIGURED, reason="not asked for"),
        "config": Section(),
    }
    verdict = a_verdict(outcome=Outcome.UNKNOWN, findings=(), sections=sections, reason="2 layers could not be read")
    assert body(verdict)[4:9] == [
        "not looked at, or not completely",
        "2 layers could not be read",
        "packages, files: missing: the layer is damaged",
        "secrets: partial: larger than 10GiB",
        "",
    ]
    assert not any("damaged" in line for line in body(replace(verdict, outcome=Outcome.FAIL)))


@pytest.mark.parametrize(
    ("outcome", "resolved", "level"),
    [
        (Outcome.FAIL, False, Level.BAD),
        (Outcome.UNKNOWN, False, Level.DOUBTFUL),
        (Outcome.WARN, False, Level.DOUBTFUL),
        (Outcome.PASS, False, Level.GOOD),
        (Outcome.NOT_APPLICABLE, False, Level.NEUTRAL),
        (Outcome.WARN, True, Level.GOOD),
        (Outcome.PASS, True, Level.GOOD),
    ],
)
def test_how_bad_it_is_shows(outcome: Outcome, resolved: bool, level: Level) -> None:
    """What is over is good news, whatever is left."""
    assert verdict_message(a_verdict(outcome=outcome), resolved=resolved).level is level


def test_what_is_over_says_so_in_its_title() -> None:
    """And as what it ended."""
    assert title(a_verdict(outcome=Outcome.WARN), resolved=True) == (
        "resolved: registry.example.com/team/app:v1 (production) is now warn"
    )


def test_a_link_leads_to_the_verdict() -> None:
    """Where somebody said how the watcher is reached."""
    assert verdict_message(a_verdict()).links == ()
    (link,) = verdict_message(a_verdict(), link="https://watcher.example.com/v/1").links
    assert (link.label, link.url) == ("verdict", "https://watcher.example.com/v/1")
