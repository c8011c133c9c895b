"""Package URLs of CDEvents."""

import json
from typing import Any

import pytest

from watcher.dialects.cdevents import CdeventsDialect
from watcher.dialects.protocol import Delivery
from watcher.model.push import Decision, Ignored, Pushed, Rejected
from watcher.model.reference import Host

DIGEST = "sha256:" + "a" * 64


def read(purl: Any, registry: str = "") -> Decision:
    context = {"id": "e-1", "type": "dev.cdevents.artifact.published.0.3.0-draft"}
    body = json.dumps({"context": context, "subject": {"id": purl}}).encode()
    (decision,) = CdeventsDialect().read(Delivery(registry=Host(registry), headers={}, body=body))
    return decision


@pytest.mark.parametrize(
    ("purl", "place"),
    [
        (f"pkg:oci/app@{DIGEST}?repository_url=ghcr.io/team/app", ("ghcr.io", "team/app", None, DIGEST)),
        (f"PKG:OCI/app@{DIGEST}?repository_url=https://ghcr.io/team/app/&tag=v1#x", ("ghcr.io", "team/app", "v1", DIGEST)),
        ("pkg:oci/app@v1?repository_url=index.docker.io/library/app", ("docker.io", "library/app", "v1", None)),
        ("pkg:oci/app?repository_url=registry.example.com:5000&tag=v1", ("registry.example.com:5000", "app", "v1", None)),
        ("pkg:docker/cassandra@latest", ("docker.io", "library/cassandra", "latest", None)),
        ("pkg:docker/team/app@v1?repository_url=gcr.io", ("gcr.io", "team/app", "v1", None)),
        ("pkg://docker/app@v1?repository_url=localhost:5000", ("localhost:5000", "app", "v1", None)),
        (f"pkg:oci/app@{DIGEST}?repository_url=ghcr.io/team", ("ghcr.io", "team/app", None, DIGEST)),
        (f"pkg:oci/team/app@{DIGEST}?repository_url=ghcr.io/team/app", ("ghcr.io", "team/app", None, DIGEST)),
        ("pkg:oci/debian@12?repository_url=docker.io", ("docker.io", "library/debian", "12", None)),
        (f"pkg:oci/app@{DIGEST}?repository_url=ghcr.io%2Fteam%2Fapp:v1@{DIGEST}&tag=v1", ("ghcr.io", "team/app", "v1", DIGEST)),
        (f"ghcr.io/team/app:v1@{DIGEST}", ("ghcr.io", "team/app", "v1", DIGEST)),
    ],
)
def test_a_package_url_says_where_the_image_is(purl: str, place: tuple[str | None, ...]) -> None:
    """`oci` by the whole repository in its qualifier, which some write without its last part or with more than it; `docker` by the
    registry there and its own name. An image's own name is none, and says it as well.
    """
    decision = read(purl)
    assert isinstance(decision, Pushed), decision
    push = decision.push
    assert (push.registry, push.repository, push.tag, push.digest) == place


@pytest.mark.parametrize(
    "purl", ["pkg:golang/a/b@1", "pkg:generic/app", "app:v1", "https://ghcr.io/team/app:v1", "ghcr.io/team/app", "", None]
)
def test_other_packages_are_no_images(purl: str | None) -> None:
    """Pipelines publish more than images."""
    assert isinstance(read(purl), Ignored)


@pytest.mark.parametrize(
    ("purl", "reason"),
    [
        (f"pkg:oci/app@{DIGEST}", "no-repository"),
        (f"pkg:oci/app@{DIGEST}?repository_url=evil.example/team/app", "host-mismatch"),
        ("pkg:oci/app?repository_url=ghcr.io/team/app", "no-digest"),
        ("pkg:oci/app@v1?repository_url=ghcr.io/Team/App", "invalid-repository"),
        ("pkg:oci/app@v1?" + "a=b&" * 100, "invalid-purl"),
        (7, "invalid-subject"),
    ],
)
def test_a_package_url_that_says_nothing_certain_is_rejected(purl: Any, reason: str) -> None:
    """An `oci` name is only the end of a repository's: nothing is guessed from it."""
    decision = read(purl, "ghcr.io")
    assert isinstance(decision, Rejected)
    assert (decision.reason, decision.event_id) == (reason, "e-1")
