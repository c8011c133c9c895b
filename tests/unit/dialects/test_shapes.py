"""One event in many shapes: what senders have named differently over the years, said twice, or left out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.doubles.decisions import one, place, read
from watcher.dialects.fields import MAX_TEXT
from watcher.model.push import Deleted, Ignored, Pushed, Rejected

DIGEST = "sha256:" + "1" * 64


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


def test_githubs_own_servers_have_their_own_registry() -> None:
    """A package without a URL is of the registry that the source is bound to, and of ghcr.io only where that may be meant."""
    version = {"version": DIGEST, "container_metadata": {"tag": {"name": "v1"}}}
    body = {"action": "published", "package": {"name": "App", "owner": {"login": "Team"}, "package_version": version}}
    for registry, found in (("containers.git.example.com", "containers.git.example.com"), ("ghcr.io", "ghcr.io"), ("", "ghcr.io")):
        assert place(one("ghcr", body, registry=registry)) == (found, "team/app", "v1", DIGEST)


@pytest.mark.parametrize("digest", ["sha256:abc123", "sha384:" + "1" * 96, "sha256:xxxx"])
def test_the_tag_counts_where_the_digest_is_none(digest: str) -> None:
    """Samples invent digests, and a registry may have an algorithm that is unknown here; asked for the tag it tells the truth."""
    azure = {"action": "push", "target": {"repository": "team/app", "tag": "v1", "digest": digest}}
    resource = {"tag": "v1", "digest": digest, "resource_url": "harbor.example.com/team/app:v1"}
    harbor = {"type": "PUSH_ARTIFACT", "event_data": {"resources": [resource]}}
    grid = {"id": "e1", "eventType": "Microsoft.ContainerRegistry.ImagePushed", "data": azure}
    for dialect, body in (("acr", azure), ("harbor", harbor), ("eventgrid", grid)):
        assert place(one(dialect, body))[1:] == ("team/app", "v1", None)


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


@pytest.mark.parametrize("missing", ["ce-id", "ce-source", "ce-specversion"])
def test_an_event_that_a_broker_broke_is_rejected(missing: str) -> None:
    """Its headers are its attributes."""
    headers = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "/x", "content-type": "application/json"}
    del headers[missing]
    for dialect, kind in (("harbor", "harbor.artifact.pushed"), ("eventgrid", "Microsoft.ContainerRegistry.ImagePushed")):
        decision = one(dialect, {}, headers | {"ce-type": kind})
        assert isinstance(decision, Rejected)
        assert decision.reason == "missing-attribute"


def test_a_url_is_as_long_as_the_names_in_it() -> None:
    """Only its host is taken, however much follows."""
    name = "/".join(["name"] * 40)
    path = f"git.example.com/Team/-/packages/container/{name.replace('/', '%2F')}/{DIGEST}"
    assert len(path) > MAX_TEXT
    package = {"type": "container", "owner": {"login": "Team"}, "name": name, "version": DIGEST, "html_url": f"https://{path}"}
    assert place(one("gitea", {"action": "created", "package": package})) == ("git.example.com", f"team/{name}", None, DIGEST)
    target = {"repository": name, "digest": DIGEST, "url": f"https://registry.example.com/v2/{name}/manifests/{DIGEST}"}
    (decision,) = read("distribution", {"events": [{"action": "push", "target": target}]})
    assert place(decision) == ("registry.example.com", name, None, DIGEST)
