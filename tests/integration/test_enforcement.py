"""The two enforcement points, asked of a running daemon: CI submits an image and waits, Kubernetes asks about a pod."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.daemon import RunningDaemon, eventually
from tests.doubles.docker_registry import RunningRegistry
from tests.doubles.pushing import skopeo_push, write_layout
from watcher.model.digest import Digest
from watcher.testing.images import build_image, build_layer

CONFIG = """\
registries: [{{host: "{host}"}}]
publish: [{{type: log}}]
environments: [{{name: production, images: ["{host}/prod/**"]}}]
admission: {{token: "env:ADMISSION_TOKEN", environment: production, on_unjudged: deny}}
"""


@pytest.fixture(scope="module")
def key() -> str:
    return "AKIA" + "Q3EGRIMZ7KLDOP5X"


class Cluster:
    def __init__(self, registry: RunningRegistry, daemon: RunningDaemon, tmp_path: Path) -> None:
        self.registry, self.daemon, self.tmp_path = registry, daemon, tmp_path

    def push(self, repository: str, files: dict[str, str]) -> Digest:
        image = build_image([build_layer({"etc/passwd": "app:x:1000:1000::/:/bin/sh\n", **files})], config={"User": "app"})
        skopeo_push(write_layout(self.tmp_path / repository, image), f"{self.registry.host}/{repository}:v1")
        return image.digest

    def submit(self, image: str, **body: Any) -> tuple[int, Any]:
        text = json.dumps({"image": image, "wait_seconds": 20, **body}).encode()
        return self.daemon.post("/api/v1/evaluations", text, {"Content-Type": "application/json"})

    def review(self, image: str) -> Any:
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": image}]}}
        request = {"uid": "u1", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": pod}
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        status, answer = self.daemon.post("/k8s/admission/adm", json.dumps(body).encode(), {"Content-Type": "application/json"})
        assert status == 200
        assert answer["response"]["uid"] == "u1"
        return answer["response"]


@pytest.fixture
def cluster(start_docker_registry: Callable[..., RunningRegistry], tmp_path: Path) -> Iterator[Cluster]:
    registry = start_docker_registry(tmp_path / "registry")
    environment = {"ADMISSION_TOKEN": "adm"}
    daemon = RunningDaemon(directory=tmp_path, config=CONFIG.format(host=registry.host), environment=environment)
    daemon.start()
    yield Cluster(registry, daemon, tmp_path)
    assert daemon.stop() == 0


def test_ci_waits_for_its_verdict_and_the_cluster_then_knows_it(cluster: Cluster, key: str) -> None:
    """A good image is let in and a leaking one is not, by tag as by digest; what was never judged is denied as configured."""
    good = cluster.push("prod/good", {})
    bad = cluster.push("prod/bad", {"root/.aws/credentials": f"aws_access_key_id = {key}\n"})
    host = cluster.registry.host
    status, verdict = cluster.submit(f"{host}/prod/good:v1")
    assert (status, verdict["outcome"], verdict["image"]["digest"]) == (200, "pass", good)
    status, verdict = cluster.submit(f"{host}/prod/bad@{bad}")
    assert (status, verdict["outcome"]) == (200, "fail")
    assert cluster.review(f"{host}/prod/good@{good}")["allowed"] is True
    assert cluster.review(f"{host}/prod/good:v1")["allowed"] is True
    denied = cluster.review(f"{host}/prod/bad@{bad}")
    assert denied["allowed"] is False
    assert "AWS" in denied["status"]["message"]
    assert key not in json.dumps(denied)
    assert cluster.review(f"{host}/prod/other@sha256:{'0' * 64}")["allowed"] is False
    assert cluster.review("nginx:latest")["allowed"] is False


def test_a_submission_that_takes_longer_is_asked_for_again(cluster: Cluster) -> None:
    """202 with a place to look; a registry that is not configured is refused at once, and nobody dials it."""
    cluster.push("team/app", {})
    status, pending = cluster.submit(f"{cluster.registry.host}/team/app:v1", wait_seconds=0)
    assert status == 202
    found = eventually(lambda: _ended(cluster, pending["id"]), what="the verdict")
    assert found["outcome"] == "pass"
    status, problem = cluster.submit("registry.elsewhere.example/app:v1")
    assert status == 422
    assert "not among the configured registries" in problem["detail"]
    status, problem = cluster.submit(f"{cluster.registry.host}/team/nothing:v1")
    assert status == 404


def test_the_image_is_found_behind_the_api(cluster: Cluster) -> None:
    """Its verdict, its inspection, and the metrics that count both."""
    digest = cluster.push("team/app", {"usr/lib/python3/dist-packages/x-1.dist-info/METADATA": "Name: x\nVersion: 1\n"})
    cluster.submit(f"{cluster.registry.host}/team/app:v1")
    inspection = cluster.daemon.get(f"/api/v1/images/{digest}/inspection")
    assert inspection["config"]["user"] == "app"
    assert [package["purl"] for package in inspection["packages"]] == ["pkg:pypi/x@1"]
    assert cluster.daemon.get(f"/api/v1/images/{digest}/verdicts")["verdicts"][0]["outcome"] == "pass"


def _ended(cluster: Cluster, job: str) -> Any:
    answer = cluster.daemon.get(f"/api/v1/evaluations/{job}")
    return answer if "outcome" in answer else None
