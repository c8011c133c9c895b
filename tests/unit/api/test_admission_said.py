"""What an answer to Kubernetes leaves behind: a line of the log, and a count."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.doubles.api import RunningApi, running_api
from tests.unit.api.test_admission import BY_DIGEST, PRODUCTION, a_review, ask, pod
from watcher.api.admission_review import NAME_CHARACTERS
from watcher.model.verdict import Outcome

pytestmark = pytest.mark.enable_socket


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path, admission=PRODUCTION) as running:
        yield running


async def test_answers_are_counted_by_decision_and_by_what_they_came_from(api: RunningApi) -> None:
    """Those of the worst image; a workload that would be denied as a pod is warned, and what is no question is refused."""

    def counted(decision: str, reason: str) -> float | None:
        labels = {"decision": decision, "reason": reason}
        return api.metrics.registry.get_sample_value("watcher_admission_answers_total", labels)

    await api.record(outcome=Outcome.FAIL)
    await ask(api, BY_DIGEST, "elsewhere.example.com/team/app:v1")
    await ask(api)
    await api.post("/k8s/admission", a_review({"spec": {"template": pod(BY_DIGEST)}}, kind="Deployment"))
    await api.post("/k8s/admission", {"kind": "Pod"})
    assert counted("denied", "fail") == 1
    assert counted("allowed", "no-image") == 1
    assert counted("warned", "fail") == 1
    assert counted("refused", "malformed-review") == 1
    assert api.metrics.registry.get_sample_value("watcher_admission_seconds_count") == 3


async def test_the_log_says_who_asked_for_what_and_what_he_was_told(api: RunningApi) -> None:
    """The worst images first, five at most, and how many there were beside them."""
    await api.record(outcome=Outcome.FAIL)
    review = a_review(pod(*(f"elsewhere.example.com/team/app:v{number}" for number in range(6)), BY_DIGEST))
    review["request"]["userInfo"] = {"username": "system:serviceaccount:prod:deployer", "groups": ["system:authenticated"]}
    with capture_logs() as lines:
        await api.post("/k8s/admission", review)
    (line,) = (line for line in lines if line["event"] == "admission.answered")
    assert (line["user"], line["namespace"], line["allowed"]) == ("system:serviceaccount:prod:deployer", "prod", False)
    assert line["images"][0] == {"image": BY_DIGEST, "decision": "denied", "reason": "fail"}
    assert [each["reason"] for each in line["images"][1:]] == ["never-judged"] * 4
    assert line["more_images"] == 2


async def test_what_the_log_says_of_a_review_is_cut(api: RunningApi) -> None:
    """Whatever is sent as a name, a line of the log stays one that can be read."""
    review = a_review(pod(BY_DIGEST))
    request = review["request"]
    for name in ("uid", "namespace", "name"):
        request[name] = "x" * 3_000
    request["kind"]["kind"] = "y" * 3_000
    with capture_logs() as lines:
        _, body = await api.post("/k8s/admission", review)
    (line,) = (line for line in lines if line["event"] == "admission.answered")
    assert {len(line[name]) for name in ("uid", "kind", "namespace", "name")} == {NAME_CHARACTERS}
    assert body["response"]["uid"] == request["uid"]


async def test_a_stranger_is_said_once_and_counted_every_time(tmp_path: Path) -> None:
    """Without his token, which may be one with a mistake in it."""
    async with running_api(tmp_path, admission=PRODUCTION, admission_token="the-token") as api:
        with capture_logs() as lines:
            for _ in range(3):
                assert (await api.post("/k8s/admission/hunter2", {}))[0] == 401
        refused = [line for line in lines if line["event"] == "admission.refused"]
        assert len(refused) == 1
        assert "hunter2" not in str(lines)
        labels = {"decision": "refused", "reason": "unauthorized"}
        assert api.metrics.registry.get_sample_value("watcher_admission_answers_total", labels) == 3
