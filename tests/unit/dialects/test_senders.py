"""What single senders do differently: forms, handshakes, names and times that are none, claims that may only delay."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from watcher.dialects.catalog import DIALECTS
from watcher.dialects.fields import MAX_TEXT
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Deleted, Handshake, Ignored, Pushed, Rejected
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


def read(dialect: str, body: Any, headers: dict[str, str] | None = None, *, registry: str = "") -> list[Decision]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(DIALECTS[dialect].read(Delivery(registry=Host(registry), headers=headers or {}, body=raw)))


def one(dialect: str, body: Any, headers: dict[str, str] | None = None, *, registry: str = "") -> Decision:
    (decision,) = read(dialect, body, headers, registry=registry)
    return decision


def place(decision: Decision) -> tuple[str, str, str | None, str | None]:
    found = decision.push if isinstance(decision, Pushed) else decision
    assert not isinstance(found, Ignored | Rejected | Handshake)
    return found.registry, found.repository, found.tag, found.digest


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


@pytest.mark.parametrize(
    ("media_type", "doubt"),
    [
        ("application/vnd.docker.distribution.manifest.v2+json", ""),
        ("application/vnd.docker.distribution.manifest.list.v2+json", ""),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", ""),
        ("application/vnd.oci.image.index.v1+json; charset=utf-8", ""),
        ("application/vnd.docker.container.image.v1+json", ""),
        ("application/vnd.oci.image.config.v1+json", ""),
        ("", ""),
        (None, ""),
        (7, ""),
        ("application/vnd.cncf.helm.config.v1+json", "artifact"),
        ("application/vnd.oci.artifact.manifest.v1+json", "artifact"),
        ("application/vnd.docker.compose.project", "artifact"),
    ],
)
def test_a_type_of_nothing_that_runs_is_doubted_and_no_other(media_type: object, doubt: str) -> None:
    """Docker Hub names the type of the manifest or of the configuration, Azure that of either as well; GitHub names both."""
    hub = {"push_data": {"tag": "v1", "media_type": media_type}, "repository": {"repo_name": "team/app"}}
    azure = {"action": "push", "target": {"repository": "team/app", "tag": "v1", "mediaType": media_type}}
    github = {"container_metadata": {"tag": {"name": "v1"}, "manifest": {"config": {"media_type": media_type}}}, "version": DIGEST}
    package = {"package_type": "container", "namespace": "Team", "name": "App", "package_version": github}
    for dialect, body in (("dockerhub", hub), ("acr", azure), ("ghcr", {"action": "published", "package": package})):
        decision = one(dialect, body)
        assert isinstance(decision, Pushed)
        assert decision.doubt == doubt


@pytest.mark.parametrize("when", [1582839308, 1582839308.0, "1582839308", "2020-02-27T21:35:08Z", "2020-02-27T22:35:08+01:00"])
def test_docker_hub_writes_times_as_it_likes(when: object) -> None:
    """Whole, as a fraction, as text: the same moment."""
    decision = one("dockerhub", {"push_data": {"tag": "v1", "pushed_at": when}, "repository": {"repo_name": "team/app"}})
    assert isinstance(decision, Pushed)
    assert decision.push.occurred_at == datetime(2020, 2, 27, 21, 35, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("repository", "place_or_reason"),
    [
        ({"repo_name": "docker.io/library/alpine"}, "library/alpine"),
        ({"repo_name": "index.docker.io/team/app"}, "team/app"),
        ({"name": "alpine"}, "library/alpine"),
        ({"namespace": "team", "name": "app"}, "team/app"),
        ({"repo_name": "quay.io/team/app"}, "host-mismatch"),
        ({"namespace": "team"}, "invalid-repository"),
        ({}, "invalid-repository"),
    ],
)
def test_docker_hub_names_a_repository_in_many_ways(repository: dict[str, str], place_or_reason: str) -> None:
    """All of them mean one of its own, and what means another's is refused."""
    decision = one("dockerhub", {"push_data": {"tag": "v1"}, "repository": repository}, registry="docker.io")
    found = decision.reason if isinstance(decision, Rejected) else place(decision)[1]
    assert found == place_or_reason


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ({"name": "v1", "container_metadata": {"tag": {"name": "v1"}}}, ("v1", None)),
        ({"name": "v1", "container_metadata": {}}, ("v1", None)),
        ({"name": DIGEST, "container_metadata": {}}, (None, DIGEST)),
        ({"package_url": "ghcr.io/Team/App:v1", "container_metadata": {"tag": {"name": "", "digest": DIGEST}}}, ("v1", DIGEST)),
        ({"package_url": f"https://ghcr.io/Team/App@{DIGEST}", "container_metadata": None}, (None, DIGEST)),
        ({"package_url": f"ghcr.io/Team/App:{DIGEST}", "container_metadata": {"tag": None}}, (None, DIGEST)),
    ],
)
def test_github_says_what_was_pushed_in_one_of_many_fields(version: dict[str, Any], found: tuple[str | None, str | None]) -> None:
    """Owner and name stand in the package where it has no URL."""
    package = {"package_type": "Container", "name": "App", "owner": {"login": "Team"}, "package_version": version}
    assert place(one("ghcr", {"action": "published", "package": package})) == ("ghcr.io", "team/app", *found)


@pytest.mark.parametrize("digest", ["sha256:abc123", "sha384:" + "1" * 96, "sha256:xxxx"])
def test_the_tag_counts_where_the_digest_is_none(digest: str) -> None:
    """Samples invent digests, and a registry may have an algorithm that is unknown here; asked for the tag it tells the truth."""
    azure = {"action": "push", "target": {"repository": "team/app", "tag": "v1", "digest": digest}}
    resource = {"tag": "v1", "digest": digest, "resource_url": "harbor.example.com/team/app:v1"}
    harbor = {"type": "PUSH_ARTIFACT", "event_data": {"resources": [resource]}}
    grid = {"id": "e1", "eventType": "Microsoft.ContainerRegistry.ImagePushed", "data": azure}
    for dialect, body in (("acr", azure), ("harbor", harbor), ("eventgrid", grid)):
        assert place(one(dialect, body))[1:] == ("team/app", "v1", None)


def test_githubs_own_servers_have_their_own_registry() -> None:
    """A package without a URL is of the registry that the source is bound to, and of ghcr.io only where that may be meant."""
    version = {"version": DIGEST, "container_metadata": {"tag": {"name": "v1"}}}
    body = {"action": "published", "package": {"name": "App", "owner": {"login": "Team"}, "package_version": version}}
    for registry, found in (("containers.git.example.com", "containers.git.example.com"), ("ghcr.io", "ghcr.io"), ("", "ghcr.io")):
        assert place(one("ghcr", body, registry=registry)) == (found, "team/app", "v1", DIGEST)


def test_a_harbor_event_says_things_twice() -> None:
    """What one field leaves out another has; without a URL an event is about the registry that the source is bound to."""
    whole = {"digest": DIGEST, "tag": "v1", "resource_url": "harbor/team/app:v1"}
    names = {"repo_full_name": "team/app", "namespace": "team", "name": "app"}

    def event(resource: dict[str, str], repository: dict[str, str]) -> dict[str, Any]:
        return {"type": "PUSH_ARTIFACT", "event_data": {"resources": [resource], "repository": repository}}

    expected = ("harbor", "team/app", "v1", DIGEST)
    assert place(one("harbor", event(whole, names), registry="harbor")) == expected
    for missing in ("tag", "resource_url"):
        assert place(one("harbor", event({**whole, missing: ""}, names), registry="harbor")) == expected
    assert place(one("harbor", event(whole, {**names, "repo_full_name": ""}), registry="harbor")) == expected
    by_digest = {"tag": DIGEST, "resource_url": f"harbor/team/app@{DIGEST}"}
    assert place(one("harbor", event(by_digest, names))) == ("harbor", "team/app", None, DIGEST)
    assert place(one("harbor", event({"resource_url": f"harbor/team/app@{DIGEST}"}, names))) == ("harbor", "team/app", None, DIGEST)
    assert one("harbor", event({**whole, "resource_url": "team/app:v1"}, names)) == Rejected(
        reason="no-host", detail="resource_url names no registry"
    )


@pytest.mark.parametrize(("tags", "found"), [({"v1": "an image's id", "v2": ""}, ["v1", "v2"]), ("v1", ["v1"]), (None, [])])
def test_quay_has_listed_tags_in_more_than_one_way(tags: object, found: list[str]) -> None:
    """A map to the ids of images until about 2016."""
    decisions = read("quay", {"homepage": "https://quay.io/repository/team/app", "repository": "team/app", "updated_tags": tags})
    assert [place(each) for each in decisions if not isinstance(each, Ignored)] == [
        ("quay.io", "team/app", tag, None) for tag in found
    ]
    assert decisions


@pytest.mark.parametrize(
    ("bound", "named", "found"),
    [
        ("reg.azurecr.io", "reg.westeurope.geo.azurecr.io", "reg.azurecr.io"),
        ("reg-a1b2.azurecr.cn", "REG-a1b2.chinanorth3.geo.azurecr.cn:443", "reg-a1b2.azurecr.cn"),
        ("reg.westeurope.geo.azurecr.io", "reg.westeurope.geo.azurecr.io", "reg.westeurope.geo.azurecr.io"),
        ("reg.azurecr.io", "other.westeurope.geo.azurecr.io", "host-mismatch"),
        ("reg.azurecr.io", "reg.evil.geo.example.com", "host-mismatch"),
        ("", "reg.westeurope.geo.azurecr.io", "reg.westeurope.geo.azurecr.io"),
    ],
)
def test_a_replica_of_an_azure_registry_is_the_registry(bound: str, named: str, found: str) -> None:
    """A client may name the region it pushes to; the image is in all of them."""
    event = {"action": "push", "target": {"repository": "app", "tag": "v1"}, "request": {"host": named}}
    decision = one("acr", event, registry=bound)
    assert (decision.reason if isinstance(decision, Rejected) else place(decision)[0]) == found


def test_the_type_of_event_grid_says_what_happened() -> None:
    """What Azure Container Registry says beside it is the same, and may be missing."""
    data = {"target": {"repository": "team/app", "tag": "v1"}, "request": {"host": "reg.azurecr.io"}}
    event = {"id": "e1", "eventType": "Microsoft.ContainerRegistry.ImagePushed", "data": data}
    assert isinstance(one("eventgrid", event), Pushed)
    assert isinstance(one("eventgrid", event | {"eventType": "Microsoft.ContainerRegistry.ImageDeleted"}), Deleted)


def test_a_url_is_as_long_as_the_names_in_it() -> None:
    """Only its host is taken, however much follows."""
    name = "/".join(["name"] * 40)
    path = f"git.example.com/Team/-/packages/container/{name.replace('/', '%2F')}/{DIGEST}"
    assert len(path) > MAX_TEXT
    package = GITEA["package"] | {"name": name, "version": DIGEST, "html_url": f"https://{path}"}  # type: ignore[operator]
    assert place(one("gitea", GITEA | {"package": package})) == ("git.example.com", f"team/{name}", None, DIGEST)
    target = {"repository": name, "digest": DIGEST, "url": f"https://registry.example.com/v2/{name}/manifests/{DIGEST}"}
    (decision,) = read("distribution", {"events": [{"action": "push", "target": target}]})
    assert place(decision) == ("registry.example.com", name, None, DIGEST)


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


@pytest.mark.parametrize("dialect", ["alibaba", "artifactory", "diun"])
def test_events_that_were_collected_are_as_many_decisions(dialect: str) -> None:
    """Senders have one in a body; what stands between may put several together."""
    event = {
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
