import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.api import RunningApi, running_api
from tests.doubles.verdicts import FINDING, IMAGE, SUBJECT
from watcher.api.admission_review import MAX_WARNINGS, WARNING_CHARACTERS, Answer, parse_review, render
from watcher.api.limits import LIMITS, Limits
from watcher.api.settings import AdmissionSettings
from watcher.api.tags import MAX_TAGS, TagCache
from watcher.model.digest import Digest
from watcher.model.errors import NotFoundError, RegistryUnavailableError
from watcher.model.reference import Host, Reference, RepositoryName, parse_reference
from watcher.model.verdict import Action, Outcome

pytestmark = pytest.mark.enable_socket

BY_DIGEST = f"registry.example.com/team/app@{IMAGE}"
BY_TAG = "registry.example.com/team/app:v1"
OTHER = Digest("sha256:" + "9" * 64)
PRODUCTION = AdmissionSettings(environment="production")
DENYING = AdmissionSettings(environment="production", on_unknown="deny", on_unjudged="deny")
WARNED = replace(FINDING, action=Action.WARN, rule="baseline/user-required", message="runs as root")


def pod(*images: str) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]}}


def a_review(resource: Any, *, kind: str = "Pod", operation: str = "CREATE", old: Any = None) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": kind},
            "operation": operation,
            "namespace": "prod",
            "name": "web",
            "object": resource,
            "oldObject": old,
        },
    }


@pytest.fixture
def start(tmp_path: Path) -> Any:
    def with_settings(settings: AdmissionSettings | None = PRODUCTION, **more: Any) -> AbstractAsyncContextManager[RunningApi]:
        return running_api(tmp_path, admission=settings, **more)

    return with_settings


@pytest.fixture
async def api(start: Any) -> AsyncIterator[RunningApi]:
    async with start() as running:
        yield running


async def ask(api: RunningApi, *images: str, path: str = "/k8s/admission") -> dict[str, Any]:
    status, body = await api.post(path, a_review(pod(*images)))
    assert status == 200
    assert body["apiVersion"] == "admission.k8s.io/v1"
    assert body["response"]["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    response: dict[str, Any] = body["response"]
    return response


@pytest.mark.parametrize(
    ("outcome", "allowed", "warned"),
    [
        (Outcome.PASS, True, False),
        (Outcome.WARN, True, True),
        (Outcome.FAIL, False, False),
        (Outcome.UNKNOWN, True, True),
        (Outcome.NOT_APPLICABLE, True, False),
    ],
)
async def test_the_stored_verdict_decides(api: RunningApi, outcome: Outcome, allowed: bool, warned: bool) -> None:
    """Pass and not-applicable allow, warn warns, fail denies, unknown does as configured: warn unless said otherwise."""
    await api.record(outcome=outcome)
    response = await ask(api, BY_DIGEST)
    assert (response["allowed"], "warnings" in response) == (allowed, warned)


async def test_a_denial_names_image_outcome_and_reasons(api: RunningApi) -> None:
    """What a person reads after `kubectl apply`: which image, what it is, why, and where to read on."""
    many = tuple(replace(FINDING, key=str(index), message=f"key number {index}") for index in range(5))
    await api.record(id="v-7", findings=(*many, WARNED, replace(FINDING, excepted_by="x", message="excepted")))
    response = await ask(api, BY_DIGEST)
    assert response["status"]["code"] == 403
    assert response["status"]["reason"] == "Forbidden"
    message = response["status"]["message"]
    assert message.startswith(f"{BY_DIGEST}: fail: baseline/aws-keys: key number 0; ")
    assert "key number 2 (and 2 more) (verdict v-7)" in message
    assert "excepted" not in message
    assert "runs as root" not in message


@pytest.mark.parametrize(("mode", "allowed", "warned"), [("allow", True, False), ("warn", True, True), ("deny", False, False)])
async def test_the_modes_say_what_becomes_of_the_undecided(start: Any, mode: Any, allowed: bool, warned: bool) -> None:
    """Never judged, unknown, and a verdict that is too old: each follows its mode."""
    async with start(AdmissionSettings(on_unjudged=mode, on_unknown="allow")) as api:
        response = await ask(api, BY_DIGEST)
        assert (response["allowed"], "warnings" in response) == (allowed, warned)
    async with start(AdmissionSettings(on_unknown=mode, on_unjudged="allow", max_age="1h")) as api:
        await api.record(outcome=Outcome.PASS)
        api.clock.advance(7200)
        response = await ask(api, BY_DIGEST)
        assert (response["allowed"], "warnings" in response) == (allowed, warned)
        if mode == "deny":
            assert "is 2 hours old" in response["status"]["message"]
        api.clock.advance(-14400)
        response = await ask(api, BY_DIGEST)
        assert (response["allowed"], "warnings" in response) == (allowed, warned)
        if mode == "deny":
            assert "is 2 hours ahead of the clock" in response["status"]["message"]


async def test_a_fail_does_not_age(api: RunningApi) -> None:
    """Time makes a pass doubtful, not a fail."""
    await api.record(outcome=Outcome.FAIL)
    api.clock.advance(100 * 86400)
    assert not (await ask(api, BY_DIGEST))["allowed"]


async def test_one_bad_image_denies_the_pod(api: RunningApi) -> None:
    """Each image is answered for itself, in the audit log too."""
    await api.record(outcome=Outcome.FAIL)
    response = await ask(api, "docker.io/library/busybox:1", BY_DIGEST)
    assert not response["allowed"]
    assert response["auditAnnotations"] == {
        "image-0": "docker.io/library/busybox:1: allowed with warnings",
        "image-1": f"{BY_DIGEST}: denied",
    }


async def test_a_tag_is_resolved_once_in_a_while(api: RunningApi) -> None:
    """One request of the registry for many pods."""
    api.registries.answers[BY_TAG] = IMAGE
    await api.record(outcome=Outcome.FAIL)
    answers = await asyncio.gather(*(ask(api, BY_TAG) for _ in range(5)))
    assert [answer["allowed"] for answer in answers] == [False] * 5
    assert api.registries.asked == [BY_TAG]


async def test_a_digest_needs_no_registry(api: RunningApi) -> None:
    """Not even to check the tag beside it: the kubelet ignores that too."""
    await api.record(outcome=Outcome.PASS)
    assert "warnings" not in await ask(api, f"{BY_TAG}@{IMAGE}")
    assert api.registries.asked == []


async def test_only_configured_registries_are_dialled(api: RunningApi) -> None:
    """An image of any other registry was never judged, and its host hears nothing."""
    response = await ask(api, "evil.example.com/x:1")
    assert response["warnings"] == ["evil.example.com/x:1: never judged: evil.example.com is not a configured registry"]
    assert api.registries.asked == []


async def test_a_registry_that_fails_makes_unknown(start: Any) -> None:
    """Whether it errs or is silent; an error is never an allow of its own."""
    async with start(DENYING) as api:
        api.registries.answers[BY_TAG] = RegistryUnavailableError("down")
        response = await ask(api, BY_TAG)
        assert response["status"]["message"] == f"{BY_TAG}: unknown: registry-unavailable"
        api.registries.answers[BY_TAG] = NotFoundError("gone")
        assert "its registry has no such tag" in (await ask(api, BY_TAG))["status"]["message"]
    async with start(DENYING, limits=Limits(resolve_seconds=0.01)) as api:
        silent = "registry.example.com/team/app:v2"
        api.registries.answers[silent] = asyncio.Event()
        assert (await ask(api, silent))["status"]["message"] == f"{silent}: unknown: its registry did not answer in time"


async def test_a_name_that_is_none_is_unknown(start: Any) -> None:
    """Kubernetes would not pull it either."""
    async with start(DENYING) as api:
        assert "not a valid repository name" in (await ask(api, "registry.example.com/UPPER"))["status"]["message"]


async def test_the_environment_is_that_of_the_cluster(api: RunningApi) -> None:
    """A pass for another environment is none for this one; a fail of the same bytes is a fail anywhere."""
    staging = replace(SUBJECT, environment="staging")
    await api.record(id="a", subject=staging, outcome=Outcome.PASS)
    assert "in environment staging" in (await ask(api, BY_DIGEST))["warnings"][0]
    await api.record(id="b", subject=staging, outcome=Outcome.FAIL)
    response = await ask(api, BY_DIGEST)
    assert not response["allowed"]
    assert "in environment staging" in response["status"]["message"]
    await api.record(id="c", outcome=Outcome.PASS)
    assert "warnings" not in await ask(api, BY_DIGEST)


async def test_a_pass_elsewhere_is_no_pass_here(start: Any) -> None:
    """The same bytes in a repository that other rules hold for."""
    async with start(DENYING) as api:
        await api.record(subject=replace(SUBJECT, repository=RepositoryName("sandbox/app")), outcome=Outcome.PASS)
        assert "judged only as registry.example.com/sandbox/app" in (await ask(api, BY_DIGEST))["status"]["message"]


async def test_rules_about_the_name_hold_for_any_image(api: RunningApi) -> None:
    """Decided without a digest, a verdict or a registry, and once for many pods."""
    api.evaluator.findings = (replace(FINDING, rule="baseline/no-docker-hub", message="images of Docker Hub"),)
    for _ in range(3):
        response = await ask(api, "busybox")
        assert not response["allowed"]
        assert "baseline/no-docker-hub: images of Docker Hub" in response["status"]["message"]
    (case,) = api.evaluator.cases
    assert (case.subject.registry, case.subject.repository, case.tag, case.inventory) == (
        "docker.io",
        "library/busybox",
        "latest",
        None,
    )
    assert (case.subject.environment, case.action) == ("production", "admission")


async def test_rules_about_the_name_can_warn(api: RunningApi) -> None:
    """And a note says nothing."""
    await api.record(outcome=Outcome.PASS)
    api.evaluator.findings = (WARNED, replace(FINDING, action=Action.NOTE))
    assert (await ask(api, BY_DIGEST))["warnings"] == [f"{BY_DIGEST}: warn: baseline/user-required: runs as root"]


async def test_an_evaluator_that_died_makes_unknown(start: Any) -> None:
    """As every other error does."""
    async with start(DENYING) as api:
        await api.record(outcome=Outcome.PASS)
        api.evaluator.dead = True
        assert (await ask(api, BY_DIGEST))["status"]["message"] == f"{BY_DIGEST}: unknown: evaluator-died"


async def test_the_endpoint_has_a_token_of_its_own(start: Any) -> None:
    """In the path or as a bearer token, and never the API's."""
    async with start(admission_token="adm", api_token="api") as api:
        review = a_review(pod(BY_DIGEST))
        for path, headers in (
            ("/k8s/admission", {}),
            ("/k8s/admission/wrong", {}),
            ("/k8s/admission/api", {}),
            ("/k8s/admission", {"Authorization": "Bearer api"}),
        ):
            assert (await api.post(path, review, headers=headers))[0] == 401
        assert (await ask(api, BY_DIGEST, path="/k8s/admission/adm"))["allowed"]
        assert (await api.post("/k8s/admission", review, headers={"Authorization": "Bearer adm"}))[0] == 200


async def test_without_its_block_there_is_no_endpoint(start: Any) -> None:
    """It would tell anybody what is stored."""
    async with start(None) as api:
        assert (await api.post("/k8s/admission", a_review(pod(BY_DIGEST))))[0] == 404


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 10_000,
        json.dumps({**a_review(pod("x")), "kind": "Review"}).encode(),
        json.dumps({**a_review(pod("x")), "apiVersion": "admission.k8s.io/v1beta1"}).encode(),
        json.dumps({**a_review(pod("x")), "request": {}}).encode(),
        json.dumps({**a_review(pod("x")), "request": {**a_review(None)["request"], "uid": ""}}).encode(),
        json.dumps(a_review(None)).encode(),
        json.dumps(a_review({"spec": []})).encode(),
        json.dumps(a_review({"spec": {"containers": 7}})).encode(),
        json.dumps(a_review({"spec": {"containers": ["x"]}})).encode(),
        json.dumps(a_review({"spec": {"containers": [{"image": 7}]}})).encode(),
    ],
)
async def test_what_is_no_review_is_left_to_the_cluster(api: RunningApi, sent: bytes) -> None:
    """400, so that its failurePolicy decides."""
    async with api.session.post(api.url + "/k8s/admission", data=sent) as response:
        assert response.status == 400


def images_of(review: dict[str, Any]) -> tuple[str, ...]:
    return parse_review(json.dumps(review).encode()).images


def test_every_way_into_a_pod_is_looked_at() -> None:
    """Init, ordinary and ephemeral containers, and image volumes; each image once."""
    spec = {
        "initContainers": [{"image": "init"}],
        "containers": [{"image": "main"}, {"image": "main"}, {"name": "none"}],
        "ephemeralContainers": [{"image": "debug"}],
        "volumes": [{"image": {"reference": "data"}}, {"emptyDir": {}}, {"image": None}],
    }
    assert images_of(a_review({"spec": spec})) == ("init", "main", "debug", "data")


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Deployment", {"spec": {"template": {"spec": pod("x")["spec"]}}}),
        ("StatefulSet", {"spec": {"template": {"spec": pod("x")["spec"]}}}),
        ("Job", {"spec": {"template": {"spec": pod("x")["spec"]}}}),
        ("CronJob", {"spec": {"jobTemplate": {"spec": {"template": {"spec": pod("x")["spec"]}}}}}),
        ("PodTemplate", {"template": {"spec": pod("x")["spec"]}}),
    ],
)
def test_a_workload_is_warned_about_and_let_in(kind: str, resource: Any) -> None:
    """Its author hears at once; the pods its controller makes are denied."""
    review = parse_review(json.dumps(a_review(resource, kind=kind)).encode())
    assert review.images == ("x",)
    response = render(review, Answer(denials=["x: fail"]))["response"]
    assert (response["allowed"], response["warnings"]) == (True, ["x: fail"])


@pytest.mark.parametrize(("kind", "operation"), [("ConfigMap", "CREATE"), ("PodExecOptions", "CONNECT"), ("Pod", "DELETE")])
def test_what_brings_no_image_in_is_allowed(kind: str, operation: str) -> None:
    """Whatever rules the webhook was registered with."""
    review = parse_review(json.dumps(a_review(pod("x"), kind=kind, operation=operation)).encode())
    assert review.images == ()
    assert render(review, Answer())["response"]["allowed"]


def test_an_update_is_judged_by_what_it_changes() -> None:
    """A label on a running pod must not need its images to be good still."""
    assert images_of(a_review(pod("old", "new"), operation="UPDATE", old=pod("old"))) == ("new",)
    assert images_of(a_review(pod("old"), operation="UPDATE", old=pod("old"))) == ()


def test_warnings_fit_into_a_header() -> None:
    """One line each, cut where the API server would cut them, and not too many."""
    review = parse_review(json.dumps(a_review(pod("x"))).encode())
    response = render(review, Answer(warnings=["a\nb" + "c" * 500] * 50))["response"]
    assert len(response["warnings"]) == MAX_WARNINGS
    assert {len(warning) for warning in response["warnings"]} == {WARNING_CHARACTERS}
    assert response["warnings"][0].startswith("a b")


async def test_the_tag_cache_forgets() -> None:
    """A found tag is asked for again after a while, a missing one sooner, and memory is bounded."""
    now, asked = [0.0], []

    async def resolve(reference: Reference) -> Digest | None:
        asked.append(str(reference.tag))
        return None if reference.tag == "missing" else IMAGE

    cache = TagCache(resolve, LIMITS.resolve_seconds, monotonic=lambda: now[0])
    found, missing = (parse_reference(f"registry.example.com/a:{tag}") for tag in ("found", "missing"))
    for moment in (0.0, 2.0, 4.0, 31.0):
        now[0] = moment
        assert await cache.digest(found) == IMAGE
        assert await cache.digest(missing) is None
    assert (asked.count("found"), asked.count("missing")) == (2, 3)
    for number in range(MAX_TAGS + 10):
        await cache.digest(replace(found, registry=Host(f"r{number}.example.com")))
    assert len(cache._known) == MAX_TAGS
    assert not cache._asking
