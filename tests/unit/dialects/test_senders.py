"""What single senders do differently: forms, handshakes, names and times that are none, claims that may only delay."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.doubles.decisions import one, place, read
from watcher.dialects.catalog import DIALECTS
from watcher.dialects.protocol import Delivery
from watcher.model.push import Deleted, Handshake, Ignored, Pushed, Rejected
from watcher.model.reference import Host

DIGEST = "sha256:" + "1" * 64
FORM = {"content-type": "application/x-www-form-urlencoded"}
GITEA = {
    "action": "created",
    "package": {
        "type": "container",
        "owner": {"login": "Team"},
        "name": "App",
        "version": "v1",
        "created_at": "0001-01-01T00:00:00Z",
    },
    "sender": {"login": "jane"},
}


def test_a_form_holds_the_same_as_json() -> None:
    """Where it has the one field; what has none, or two that could be it, is no event."""
    form = urlencode({"payload": json.dumps(GITEA)}).encode()
    assert one("gitea", form, FORM) == one("gitea", GITEA)
    assert one("gitea", form) == one("gitea", GITEA)
    for broken in (b"other=1", form + b"&" + form, b"payload=%7B", b"&".join(b"a=1" for _ in range(500))):
        assert isinstance(one("gitea", broken, FORM), Rejected)


@pytest.mark.parametrize(
    ("version", "tag", "digest"), [("v1", "v1", None), (DIGEST, None, DIGEST), ("sha256:12", None, "invalid-digest")]
)
def test_gitea_writes_a_digest_where_there_is_no_tag(version: str, tag: str | None, digest: str | None) -> None:
    """Names are in lower case in its registry, and a time of the year 1 is none."""
    decision = one("gitea", GITEA | {"package": GITEA["package"] | {"version": version}}, {"x-gitea-delivery": "d1"})  # type: ignore[operator]
    if isinstance(decision, Rejected):
        assert decision.reason == digest
        return
    assert place(decision) == ("", "team/app", tag, digest)
    assert isinstance(decision, Pushed)
    assert (decision.push.event_id, decision.push.actor, decision.push.occurred_at) == ("d1", "jane", None)


def test_a_harbor_event_about_several_resources_is_several_events() -> None:
    """They share an id, which then makes none of them recognisable; one that is wrong rejects none of the others."""
    resources = [
        {"resource_url": "harbor.example.com/team/app:v1", "tag": "v1", "digest": DIGEST},
        {"resource_url": "team/app:v2", "tag": "v2"},
        "text",
    ]
    data = {"resources": resources, "repository": {"repo_full_name": "team/app"}}
    event = {"specversion": "1.0", "id": "e1", "source": "/x", "type": "harbor.artifact.pushed", "data": data}
    first, second, third = read("harbor", event)
    assert place(first) == ("harbor.example.com", "team/app", "v1", DIGEST)
    assert isinstance(first, Pushed)
    assert first.push.event_id is None
    assert [each.reason for each in (second, third) if isinstance(each, Rejected)] == ["no-host", "invalid-event"]
    assert one("harbor", event | {"data": {"resources": []}}) == Rejected(
        reason="no-resources", detail="the event has no resources"
    )


@pytest.mark.parametrize(("tags", "reasons"), [([], ["empty"]), (["v1", 7, "v2"], ["", "invalid-tag", ""])])
def test_a_push_to_quay_is_one_for_each_tag(tags: list[Any], reasons: list[str]) -> None:
    """A tag that is none rejects none of its neighbours."""
    decisions = read("quay", {"docker_url": "quay.io/team/app", "repository": "team/app", "updated_tags": tags})
    assert [getattr(each, "reason", "") for each in decisions] == reasons


def test_what_a_payload_says_of_its_type_may_only_delay() -> None:
    """A chart on Docker Hub, and a manifest in zot that refers to another, are looked at behind everything else."""
    body = {"push_data": {"tag": "v1", "media_type": "application/vnd.cncf.helm.config.v1+json"}, "repository": {"repo_name": "a"}}
    decision = one("dockerhub", body)
    assert isinstance(decision, Pushed)
    assert (decision.doubt, decision.push.repository) == ("artifact", "library/a")
    data = {"name": "team/app", "reference": DIGEST, "digest": DIGEST, "manifest": json.dumps({"subject": {"digest": DIGEST}})}
    event = {"specversion": "1.0", "id": "e1", "source": "zotregistry.dev", "type": "zotregistry.image.updated", "data": data}
    decision = one("zot", event)
    assert isinstance(decision, Pushed)
    assert (decision.doubt, decision.push.tag) == ("referrer", None)
    for kind, doubt in (("application/vnd.oci.image.config.v1+json", ""), ("application/vnd.cncf.helm.config.v1+json", "artifact")):
        decision = one("zot", event | {"data": data | {"manifest": json.dumps({"config": {"mediaType": kind}})}})
        assert isinstance(decision, Pushed)
        assert decision.doubt == doubt
    for manifest in (None, 7, "{", "[]"):
        decision = one("zot", event | {"data": data | {"manifest": manifest}})
        assert isinstance(decision, Pushed)
        assert decision.doubt == ""


def test_event_grid_is_told_that_we_listen() -> None:
    """Both of its ways to ask are answered, with what it asked and nothing more; an address it names is never called."""
    asked = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c1"}}
    answer = Handshake(status=200, headers={"Content-Type": "application/json"}, body=b'{"validationResponse":"c1"}')
    assert one("eventgrid", [asked]) == answer
    assert isinstance(one("eventgrid", [asked | {"data": {}}]), Rejected)
    options = Delivery(registry=Host(""), headers={"webhook-request-origin": "eventgrid.azure.net"}, body=b"", method="OPTIONS")
    (shaken,) = DIALECTS["eventgrid"].read(options)
    assert isinstance(shaken, Handshake)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("nexus", {"action": "DELETED", "component": {"format": "docker", "name": "team/app", "version": "v1"}}),
        (
            "artifactory",
            {"domain": "docker", "event_type": "deleted", "data": {"repo_key": "team", "path": "app/v1/m", "tag": "v1"}},
        ),
        ("acr", {"action": "delete", "target": {"repository": "team/app", "tag": "v1"}}),
        ("gitea", GITEA | {"action": "deleted"}),
    ],
)
def test_what_is_deleted_is_remembered(dialect: str, body: dict[str, Any]) -> None:
    """Of every sender that says what it was."""
    decision = one(dialect, body, registry="registry.example.com")
    assert isinstance(decision, Deleted)
    assert place(decision) == ("registry.example.com", "team/app", "v1", None)


@pytest.mark.parametrize(
    ("dialect", "body", "reason"),
    [
        ("nexus", {"action": "RENAMED", "component": {"format": "docker"}}, "other-action"),
        ("artifactory", {"domain": "docker", "event_type": "moved", "data": {"repo_key": "a", "path": "b/c/d"}}, "other-action"),
        ("artifactory", {"domain": "docker", "event_type": "pushed", "data": {}}, "invalid-repository"),
        ("gitea", GITEA | {"action": "renamed"}, "other-action"),
        ("ghcr", {"action": "deleted", "package": {"package_type": "CONTAINER"}}, "other-action"),
        ("ecr", {"source": "aws.s3"}, "other-source"),
        ("ecr", {"Type": "Notification", "Message": "{"}, "invalid-json"),
        ("gar", {"message": {"data": "W10="}}, "invalid-event"),
        ("gar", {"message": {"data": "?"}}, "invalid-data"),
        ("gar", {"action": "MOVE"}, "other-action"),
        ("acr", {"target": {}}, "no-action"),
        ("acr", {"action": "push", "target": {"repository": "team/app", "digest": "sha256:12"}}, "invalid-digest"),
        ("ghcr", {"package": {"package_type": "container"}}, "no-action"),
        ("ghcr", {"action": ["published"], "package": {"package_type": "container"}}, "invalid-action"),
        ("gitea", {"package": {"type": "container"}}, "no-action"),
        ("harbor", {"event_data": {}}, "no-type"),
        ("eventgrid", {"eventType": "", "data": {}}, "no-type"),
        ("nexus", {"action": {}, "component": {"format": "docker"}}, "invalid-action"),
        ("artifactory", {"domain": "docker", "event_type": {}, "data": {}}, "invalid-type"),
        ("ecr", {"source": "aws.ecr", "detail-type": "ECR Image Action", "detail": {"result": {}}}, "not-successful"),
    ],
)
def test_what_is_no_push_says_why(dialect: str, body: dict[str, Any], reason: str) -> None:
    """One low-cardinality word, for the metrics."""
    decision = one(dialect, body)
    assert isinstance(decision, Ignored | Rejected)
    assert decision.reason == reason


PUSHED_TO_ARTIFACTORY = {
    "domain": "docker",
    "event_type": "pushed",
    "data": {"repo_key": "local", "path": "team/app/v1/manifest.json", "name": "manifest.json", "sha256": "1" * 64, "tag": "v1"},
    "jpd_origin": "https://art.example.com",
}


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ({}, "v1"),
        ({"path": "/team/app/v1/manifest.json"}, "v1"),
        ({"path": "", "image_name": "team/app"}, "v1"),
        ({"path": f"team/app/{DIGEST}/manifest.json", "tag": DIGEST}, None),
        ({"path": f"team/app/sha256__{'1' * 64}/manifest.json", "tag": f"sha256__{'1' * 64}"}, None),
    ],
)
def test_artifactory_keeps_manifests_under_tags_and_digests(change: dict[str, Any], tag: str | None) -> None:
    """One platform of several is pushed by its digest, which is then no tag."""
    event = PUSHED_TO_ARTIFACTORY | {"data": PUSHED_TO_ARTIFACTORY["data"] | change}  # type: ignore[operator]  # a literal
    for origin in ("https://art.example.com/artifactory/", "art.example.com"):
        assert place(one("artifactory", event | {"jpd_origin": origin})) == ("art.example.com", "local/team/app", tag, DIGEST)


def test_artifactorys_earlier_events_had_no_envelope() -> None:
    """And so said nothing of a host."""
    data = PUSHED_TO_ARTIFACTORY["data"] | {"event_type": "pushed", "image_name": "app"}  # type: ignore[operator]  # a literal
    assert place(one("artifactory", data, registry="art.example.com")) == ("art.example.com", "local/team/app", "v1", DIGEST)
    assert one("artifactory", data | {"event_type": "moved"}) == Ignored(reason="other-action")


def test_artifactorys_test_is_no_push() -> None:
    """Its values are words of the documentation."""
    data = {"repo_key": "sample_repo", "path": "sample_dir/sample.txt", "sha256": "sample_checksum", "tag": "sample_image"}
    assert one("artifactory", PUSHED_TO_ARTIFACTORY | {"data": data}) == Ignored(reason="test")


def test_a_name_without_a_host_is_dockers_in_diun() -> None:
    """And so none of another registry."""
    event = {"status": "new", "image": "nginx:1", "digest": DIGEST}
    assert place(one("diun", event)) == ("docker.io", "library/nginx", "1", DIGEST)
    assert isinstance(one("diun", event, registry="registry.example.com"), Rejected)


@pytest.mark.parametrize("dialect", ["acr", "alibaba", "artifactory", "diun", "dockerhub"])
def test_events_that_were_collected_are_as_many_decisions(dialect: str) -> None:
    """Senders have one in a body; what stands between may put several together."""
    event = {
        "acr": {"action": "push", "target": {"repository": "team/app", "tag": "v1"}},
        "dockerhub": {"push_data": {"tag": "v1"}, "repository": {"repo_name": "team/app"}},
        "alibaba": {"push_data": {"tag": "v1"}, "repository": {"repo_full_name": "team/app"}},
        "artifactory": PUSHED_TO_ARTIFACTORY,
        "diun": {"status": "new", "image": "ghcr.io/team/app:v1"},
    }[dialect]
    first, broken, last = read(dialect, [event, 7, event])
    assert [first, last] == read(dialect, event) * 2
    assert isinstance(broken, Rejected)
    assert read(dialect, []) == [Ignored(reason="empty")]


ECR_AS_CLOUDEVENT = {
    "specversion": "1.0",
    "id": "e1",
    "type": "com.amazon.ecr.image.push",
    "source": "urn:aws:ecr:us-west-2:123456789012:repository/team/app",
    "subject": "team/app:v1",
    "data": {"imageDigest": DIGEST, "registryId": "123456789012"},
}
ECR_PLACE = ("123456789012.dkr.ecr.us-west-2.amazonaws.com", "team/app", "v1", DIGEST)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ECR_PLACE),
        ({"source": "arn:aws:ecr:us-west-2:123456789012:repository/team/app"}, ECR_PLACE),
        ({"source": "/ci", "data": {"image": f"ghcr.io/team/app:v1@{DIGEST}"}}, ("ghcr.io", "team/app", "v1", DIGEST)),
        ({"source": "/ci", "subject": "build 7", "data": {"repository": "team/app", "tag": "v2"}}, ("", "team/app", "v2", None)),
        ({"source": "/ci", "data": {"repository": "team/app", "digest": DIGEST}}, ("", "team/app", "v1", DIGEST)),
        ({"source": "/ci", "data": {"repository": "team/app", "digest": "sha256:abc123"}}, ("", "team/app", "v1", None)),
    ],
)
def test_what_data_of_a_cloudevent_leaves_out_the_rest_may_say(change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """A subject about the same repository, the name of an image, and a source that is a repository of ECR. A digest that is none
    is not there.
    """
    assert place(one("cloudevents", ECR_AS_CLOUDEVENT | change)) == expected
