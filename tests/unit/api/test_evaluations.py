import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.api import RunningApi, running_api
from tests.doubles.verdicts import IMAGE, SUBJECT
from watcher.api.limits import Limits
from watcher.backlog.protocol import Dead, Done, Job, Lane
from watcher.model.verdict import Outcome

pytestmark = pytest.mark.enable_socket

NAME = f"registry.example.com/team/app:v1@{IMAGE}"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path) as running:
        yield running


async def submit(api: RunningApi, image: str = NAME, **fields: Any) -> tuple[int, Any]:
    return await api.post("/api/v1/evaluations", {"image": image, "wait_seconds": 0, **fields})


async def lease(api: RunningApi) -> Job:
    """The next job, as soon as there is one."""
    while not (jobs := await api.backlog.lease(tuple(Lane), 1)):
        await asyncio.sleep(0.01)
    return jobs[0]


async def while_waiting(api: RunningApi, act: Callable[[Job], Any], **fields: Any) -> tuple[int, Any]:
    """Submit, do `act` with the job while the request waits, give the answer."""
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(submit(api, wait_seconds=8, **fields), name="submit")
        await act(await lease(api))
    return answer.result()


async def test_a_submission_waits_for_its_verdict(api: RunningApi) -> None:
    """200 with the verdict, in its public form, as soon as it is recorded."""

    async def judge(job: Job) -> None:
        await api.record(id=job.id, outcome=Outcome.FAIL)

    status, body = await while_waiting(api, judge)
    assert (status, body["outcome"], body["image"]["digest"]) == (200, "fail", IMAGE)


async def test_a_submission_is_urgent_and_has_its_environment(api: RunningApi) -> None:
    """Lane `ci`, the environment that was asked for, and all that was said of the image."""
    await submit(api, environment="staging")
    job = await lease(api)
    assert (job.lane, job.environment, job.source) == (Lane.CI, "staging", "api")
    assert (job.push.registry, job.push.repository, job.push.tag, job.push.digest) == (
        "registry.example.com",
        "team/app",
        "v1",
        IMAGE,
    )


async def test_what_takes_longer_is_asked_for_later(api: RunningApi) -> None:
    """202 with a Location, which goes on saying 202 until there is a verdict."""
    async with api.session.post(api.url + "/api/v1/evaluations", json={"image": NAME, "wait_seconds": 0}) as response:
        assert response.status == 202
        location = response.headers["Location"]
    assert (await api.get(location))[0] == 202
    job = await lease(api)
    assert location == f"/api/v1/evaluations/{job.id}"
    await api.record(id=job.id)
    assert (await api.get(location))[1]["id"] == job.id


async def test_a_second_submission_joins_the_first(api: RunningApi) -> None:
    """Two pipelines of one image wait for one job."""
    first, second = await submit(api), await submit(api)
    assert first == second
    assert 'decision="duplicate",reason="joined",source="api"' in (await api.get("/metrics"))[1]


async def test_an_image_of_another_registry_is_refused(api: RunningApi) -> None:
    """422, and nothing is queued: we dial no host that a caller names."""
    status, body = await submit(api, "evil.example.com/team/app:v1")
    assert (status, body["reason"]) == (422, "registry-not-configured")
    assert await api.backlog.lease(tuple(Lane), 1) == []


@pytest.mark.parametrize("image", ["oci:build", "./build", "docker-daemon:team/app", f"https://{NAME}"])
async def test_what_lies_elsewhere_is_explained(api: RunningApi, image: str) -> None:
    """422, and the sentence says what to write; `docker://` before a name is taken, as with skopeo."""
    status, body = await submit(api, image)
    assert (status, body["reason"]) == (422, "not-in-a-registry")
    assert body["detail"].startswith(f"{image}: ")
    assert await api.backlog.lease(tuple(Lane), 1) == []
    assert (await submit(api, "docker://evil.example.com/team/app:v1"))[1]["reason"] == "registry-not-configured"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"image": 7},
        {"image": "registry.example.com/Team/App"},
        {"image": "registry.example.com/../x"},
        {"image": "registry.example.com/team/app@sha256:short"},
        {"image": NAME, "wait": 3},
        {"image": NAME, "wait_seconds": "long"},
        [],
    ],
)
async def test_a_submission_that_makes_no_sense_is_refused(api: RunningApi, sent: Any) -> None:
    """400 with what is wrong."""
    status, body = await api.post("/api/v1/evaluations", sent)
    assert (status, bool(body["detail"])) == (400, True)


async def test_a_web_page_cannot_submit(api: RunningApi) -> None:
    """A browser sends other content types without asking us first."""
    async with api.session.post(api.url + "/api/v1/evaluations", data="{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415


async def test_a_submission_has_a_size(api: RunningApi) -> None:
    """413 by what it says of itself."""
    assert (await submit(api, "x" * 70_000))[0] == 413


async def test_an_image_that_does_not_exist_is_not_found(api: RunningApi) -> None:
    """404, not a verdict."""

    async def gone(job: Job) -> None:
        await api.backlog.settle(job, Done(result="gone"))

    status, body = await while_waiting(api, gone)
    assert (status, body["reason"]) == (404, "gone")


async def test_an_image_that_could_not_be_judged_is_an_error(api: RunningApi) -> None:
    """502 with the reason: an error is never a pass and never a fail."""

    async def fail(job: Job) -> None:
        await api.backlog.settle(job, Dead(reason="registry-refused", detail="answered 418"))

    status, body = await while_waiting(api, fail)
    assert (status, body["reason"], body["detail"]) == (502, "registry-refused", "answered 418")


async def test_a_job_that_its_index_took_over_has_that_verdict(api: RunningApi) -> None:
    """The verdict of the same digest in the same repository is the answer."""

    async def absorb(job: Job) -> None:
        await api.record(id="another", subject=SUBJECT)
        await api.backlog.settle(job, Done(result="absorbed"))

    status, body = await while_waiting(api, absorb)
    assert (status, body["id"]) == (200, "another")


async def test_an_evaluation_nobody_submitted_is_not_found(api: RunningApi) -> None:
    """404 for any id."""
    assert (await api.get("/api/v1/evaluations/nothing"))[0] == 404


async def test_nobody_waits_longer_than_a_proxy_would(tmp_path: Path) -> None:
    """What is asked for is capped; a negative wait is none."""
    async with running_api(tmp_path, limits=Limits(wait_seconds=0.01)) as api:
        assert (await submit(api, wait_seconds=10_000))[0] == 202
        assert (await submit(api, wait_seconds=-1))[0] == 202
