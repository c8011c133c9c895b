import json
import re
from dataclasses import replace

import pytest

from tests.doubles.verdicts import FINDING, IMAGE, SUBJECT, a_verdict
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Section, SectionState
from watcher.publishing.cloudevent import MAX_ATTRIBUTE_CHARACTERS, MAX_EVENT_BYTES, message_attributes, verdict_event

LINK = "https://watcher.example.com/api/v1/verdicts/v-1"


def test_an_event_carries_the_verdict() -> None:
    """The attributes consumers route and drop repeats by, and the whole verdict as data."""
    event = json.loads(verdict_event(a_verdict(), link=None))
    assert event["type"] == "io.registry-watcher.verdict.v1"
    assert event["subject"] == f"registry.example.com/team/app@{IMAGE}"
    assert event["id"] == "v-1"
    assert event["time"] == "2026-11-25T10:00:00Z"
    assert event["data"]["findings"][0]["evidence"]["line"] == 2
    assert event["data"]["image"]["tag"] == "v1"
    assert "verdicturl" not in event


def test_an_event_leads_to_the_whole_verdict() -> None:
    """Where the watcher can be reached from outside."""
    assert json.loads(verdict_event(a_verdict(), link=LINK))["verdicturl"] == LINK


def test_equal_verdicts_give_equal_events() -> None:
    """A repeated delivery is the same bytes."""
    assert verdict_event(a_verdict(), link=LINK) == verdict_event(a_verdict(), link=LINK)


@pytest.mark.parametrize("limit", [MAX_EVENT_BYTES, 10_000])
def test_an_event_never_exceeds_the_limit_of_intermediaries(limit: int) -> None:
    """Findings and tags that do not fit are counted, not lost in silence."""
    many = tuple(replace(FINDING, key=f"key-{number}", message="m" * 300) for number in range(1000))
    skipped = Section(state=SectionState.PARTIAL, reason="damaged", skipped=("x" * 1000,) * 100)
    tags = tuple(Tag(f"v{number}") for number in range(1000))
    verdict = a_verdict(findings=many, sections={"files": skipped}, subject=replace(SUBJECT, tags=tags))
    body = verdict_event(verdict, link=LINK, limit_bytes=limit)
    assert len(body) <= limit
    data = json.loads(body)["data"]
    assert data["findings_omitted"] == 1000 - len(data["findings"])
    assert len(data["findings"]) > limit // 1200
    assert data["subject"]["tags_omitted"] == 1000 - len(data["subject"]["tags"]) == 900


def test_what_is_said_beside_a_message_is_in_the_event_too() -> None:
    """Under the same names, which CloudEvents allows."""
    verdict = a_verdict(owner="team-a")
    said, event = message_attributes(verdict), json.loads(verdict_event(verdict, link=LINK))
    assert {name: event[name] for name in said} == said
    assert said == {
        "id": "v-1",
        "type": "io.registry-watcher.verdict.v1",
        "outcome": "fail",
        "registryhost": "registry.example.com",
        "repository": "team/app",
        "tag": "v1",
        "environment": "production",
        "platform": "linux/amd64",
        "owner": "team-a",
    }
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)


def test_what_is_not_known_is_not_said() -> None:
    """No carrier takes an attribute without a value."""
    said = message_attributes(a_verdict(tag=None, platform=None, subject=replace(SUBJECT, environment=None)))
    assert {"tag", "platform", "environment", "owner"}.isdisjoint(said)


def test_an_attribute_holds_nothing_that_a_carrier_refuses() -> None:
    """Neither control characters nor noncharacters, nor more than any of them takes."""
    strange = replace(SUBJECT, environment="prod\x1b[31m\n\ufffe\U0001f433", repository=RepositoryName("a" * 2000))
    said = message_attributes(a_verdict(subject=strange))
    assert said["environment"] == "prod\ufffd[31m\ufffd\ufffd\U0001f433"
    assert said["repository"] == "a" * MAX_ATTRIBUTE_CHARACTERS


def test_an_event_holds_nothing_that_a_queue_refuses() -> None:
    """Characters that SQS takes in no message are escaped, and come out as they were."""
    message = "in /x\ufffe\uffff\x1b[31m\0"
    body = verdict_event(a_verdict(findings=(replace(FINDING, message=message),)), link=None)
    assert re.search("[\x00-\x1f\ufffe\uffff]", body.decode()) is None
    assert json.loads(body)["data"]["findings"][0]["message"] == message
