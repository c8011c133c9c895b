"""`/api/v1/evaluations`: submit an image and wait for its verdict, as CI does."""

import asyncio
import time

import msgspec
from aiohttp import web

from watcher.api.context import CONTEXT, ApiContext
from watcher.api.problems import problem
from watcher.backlog.protocol import JobRow
from watcher.model.as_reference import as_reference
from watcher.model.digest import parse_digest
from watcher.model.errors import InvalidReferenceError
from watcher.model.first_use import known
from watcher.model.push import Push
from watcher.model.reference import Host, RepositoryName, parse_reference
from watcher.model.verdict import Verdict
from watcher.model.verdict_json import verdict_bytes

SOURCE = "api"
# A small image on known layers is judged in well under a second; a large one takes minutes and need not be asked for often.
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.03, 0.5
MAX_REQUEST_BYTES = 64 * 1024


class EvaluationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`environment` None means what the configuration says of the image."""

    image: str
    environment: str | None = None
    wait_seconds: float = 30.0


async def submit(request: web.Request) -> web.Response:
    """200 with the verdict, or 202 with a Location when there is none within `wait_seconds`."""
    context = request.app[CONTEXT]
    # Without this a web page could post here from the browser of somebody on this machine.
    if request.content_type != "application/json":
        return problem(415, "Unsupported media type", detail="send application/json")
    if (request.content_length or 0) > MAX_REQUEST_BYTES:
        return problem(413, "Too large", detail=f"at most {MAX_REQUEST_BYTES} bytes are read")
    try:
        wanted = msgspec.json.decode(await request.read(), type=known(EvaluationRequest))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return problem(400, "Not an evaluation request", detail=f"{error!s:.200}")
    try:
        named = as_reference(wanted.image)
    except InvalidReferenceError as error:
        return problem(422, "Not an image of a registry", detail=str(error), reason="not-in-a-registry")
    reference = parse_reference(named)
    if reference.registry not in context.registries.hosts:
        return problem(
            422,
            "Registry not configured",
            detail=f"{reference.registry} is not among the configured registries; add it under `registries`",
            reason="registry-not-configured",
        )
    push = Push(registry=reference.registry, repository=reference.repository, tag=reference.tag, digest=reference.digest)
    job_id = await context.submissions.submit(SOURCE, push, environment=wanted.environment)
    return await _wait(context, job_id, min(max(wanted.wait_seconds, 0.0), context.limits.wait_seconds))


async def show(request: web.Request) -> web.Response:
    """200 with the verdict, 202 while there is none, 404 for an id that is not known."""
    job_id = request.match_info["id"]
    answer = await _answer(request.app[CONTEXT], job_id)
    return answer or _not_yet(job_id)


async def _wait(context: ApiContext, job_id: str, wait_seconds: float) -> web.Response:
    deadline = time.monotonic() + wait_seconds
    pause = FIRST_LOOK_SECONDS
    while (answer := await _answer(context, job_id)) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return _not_yet(job_id)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_LOOK_SECONDS)
    return answer


async def _answer(context: ApiContext, job_id: str) -> web.Response | None:
    """The answer of a job that has ended, else None."""
    verdict = await context.verdicts.verdict(job_id)
    if verdict is not None:
        return _said(verdict)
    job = await context.jobs.job(job_id)
    if job is None:
        # The job may have ended, and its row been removed, between the two looks only after days.
        return problem(404, "No such evaluation")
    if job.state == "dead":
        return problem(502, "The image could not be evaluated", detail=job.detail, reason=job.reason)
    if job.state != "done":
        return None
    # Recorded in the moment between the two looks, or judged by another job: that of its index.
    verdict = await context.verdicts.verdict(job_id) or await _judged_elsewhere(context, job)
    if verdict is not None:
        return _said(verdict)
    name = f"{job.registry}/{job.repository}{f':{job.tag}' if job.tag else ''}{f'@{job.digest}' if job.digest else ''}"
    return problem(404, "No such image", detail=f"{name} does not exist in its registry", reason=job.reason)


async def _judged_elsewhere(context: ApiContext, job: JobRow) -> Verdict | None:
    if not job.digest:
        return None
    digest = parse_digest(job.digest)
    return await context.verdicts.latest(digest, registry=Host(job.registry), repository=RepositoryName(job.repository))


def _said(verdict: Verdict) -> web.Response:
    return web.Response(body=verdict_bytes(verdict), content_type="application/json")


def _not_yet(job_id: str) -> web.Response:
    location = f"/api/v1/evaluations/{job_id}"
    return web.json_response({"id": job_id, "state": "waiting"}, status=202, headers={"Location": location, "Retry-After": "1"})
