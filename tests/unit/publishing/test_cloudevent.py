import json
from dataclasses import replace

from tests.doubles.verdicts import FINDING, IMAGE, a_verdict
from watcher.model.verdict import Section, SectionState
from watcher.publishing.cloudevent import MAX_EVENT_BYTES, verdict_event


def test_an_event_carries_the_verdict() -> None:
    """The attributes consumers route and drop repeats by, and the whole verdict as data."""
    event = json.loads(verdict_event(a_verdict()))
    assert event["type"] == "io.registry-watcher.verdict.v1"
    assert event["subject"] == f"registry.example.com/team/app@{IMAGE}"
    assert event["id"] == "v-1"
    assert event["time"] == "2026-11-25T10:00:00Z"
    assert event["data"]["findings"][0]["evidence"]["line"] == 2
    assert event["data"]["image"]["tag"] == "v1"


def test_equal_verdicts_give_equal_events() -> None:
    """A repeated delivery is the same bytes."""
    assert verdict_event(a_verdict()) == verdict_event(a_verdict())


def test_an_event_never_exceeds_the_limit_of_intermediaries() -> None:
    """Findings that do not fit are counted, not lost in silence."""
    many = tuple(replace(FINDING, key=f"key-{number}", message="m" * 300) for number in range(1000))
    skipped = Section(state=SectionState.PARTIAL, reason="damaged", skipped=("x" * 1000,) * 100)
    body = verdict_event(a_verdict(findings=many, sections={"files": skipped}))
    assert len(body) <= MAX_EVENT_BYTES
    data = json.loads(body)["data"]
    assert data["findings_omitted"] == 1000 - len(data["findings"])
    assert len(data["findings"]) > 50
