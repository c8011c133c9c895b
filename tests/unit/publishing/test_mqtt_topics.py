"""Where a verdict stands at a broker, and where it does no more."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.verdicts import IMAGE, SUBJECT
from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName
from watcher.publishing.mqtt_topics import Topics

OTHER = Digest("sha256:" + "d" * 64)
TOPICS = Topics(prefix="ci/watcher")
V1, V2 = (f"ci/watcher/verdicts/registry.example.com/team/app/{tag}" for tag in ("v1", "v2"))
UNTAGGED = "ci/watcher/digests/registry.example.com/team/app/sha256/" + "1" * 64


@pytest.mark.parametrize(
    ("history", "standing", "left"),
    [
        ({}, [UNTAGGED], []),
        ({"": None}, [UNTAGGED], []),
        ({"v1": IMAGE, "v2": IMAGE}, [V1, V2], []),
        ({"": None, "v1": IMAGE}, [V1], [UNTAGGED]),
        ({"v1": None, "v2": IMAGE}, [V2], [V1]),
        ({"v1": OTHER, "v2": IMAGE}, [V2], []),
        ({"v1": OTHER}, [], []),
        ({"v1": None}, [], [V1]),
        ({"": None, "v1": OTHER}, [], [UNTAGGED]),
    ],
)
def test_where_a_verdict_stands(history: Mapping[str, Digest | None], standing: list[str], left: list[str]) -> None:
    """At each tag that leads to the image, or at its digest before it has any; a tag of another image is let alone."""
    places = TOPICS.places(SUBJECT, history, wanted=True)
    assert [each.topic for each in places if each.stands] == standing
    assert [each.topic for each in places if not each.stands] == left


def test_images_without_a_tag_can_be_left_out() -> None:
    """A broker keeps everything, and each push of an index has some."""
    topics = Topics(prefix="watcher", digests=False)
    assert topics.places(SUBJECT, {"": None}, wanted=True) == []


def test_an_outcome_that_nobody_wants_stands_nowhere() -> None:
    """Whatever stood there of the image before is taken away."""
    places = TOPICS.places(SUBJECT, {"": None, "v1": IMAGE, "v2": None, "v3": OTHER}, wanted=False)
    assert {each.topic for each in places} == {V1, V2, UNTAGGED}
    assert not any(each.stands for each in places)


@given(st.text(), st.text(), st.text())
def test_a_topic_can_be_written_to(host: str, repository: str, tag: str) -> None:
    """Whatever a name is: it holds no wildcard, nothing that ends a text, and is UTF-8."""
    subject = replace(SUBJECT, registry=Host(host), repository=RepositoryName(repository))
    for topic in (TOPICS.of_tag(subject, tag), TOPICS.of_digest(subject)):
        assert not set(topic) & set("+#\0\x1b\n")
        assert topic.encode().decode() == topic
        assert topic.startswith("ci/watcher/")
