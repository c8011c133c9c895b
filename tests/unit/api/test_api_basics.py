import io
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from tests.doubles.api import RunningApi, running_api
from tests.doubles.inventories import an_inventory
from tests.doubles.routes import nobody, sending
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.api.app import serving
from watcher.api.settings import ServerSettings, TlsSettings
from watcher.backlog.protocol import Arrival, Dead, Lane
from watcher.kit.telemetry import configure_logging
from watcher.model.digest import Digest
from watcher.model.errors import BusyError, ConfigurationError
from watcher.model.publication import PublishFailed
from watcher.model.push import Ignored, Push, Pushed, Rejected
from watcher.model.verdict import Outcome
from watcher.sources.protocol import HookRequest, Reply
from watcher.store.outbox import StoredOutbox
from watcher.store.protocol import Judged

pytestmark = pytest.mark.enable_socket

TOKEN = {"Authorization": "Bearer the-token"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path) as running:
        yield running


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[RunningApi]:
    async with running_api(tmp_path, api_token="the-token") as running:
        yield running


def a_push(api: RunningApi, *, key: str = "k", lane: Lane = Lane.PUSH, digest: Digest = IMAGE) -> Arrival:
    push = Push(registry=SUBJECT.registry, repository=SUBJECT.repository, digest=digest)
    return Arrival(source="main", decision=Pushed(push=push), delivery_key=key, received_at=api.clock(), lane=lane)


async def test_it_says_that_it_is_alive_and_ready(api: RunningApi) -> None:
    """Alive needs nothing but the loop; ready needs the store as well."""
    assert await api.get("/healthz") == (200, {"status": "alive"})
    assert await api.get("/readyz") == (200, {"status": "ready", "sources": {}, "destinations": {}})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_load_balancers_may_ask_with_head(locked: RunningApi, path: str) -> None:
    """With no token, as with GET: the status is the answer."""
    async with locked.session.head(f"{locked.url}{path}") as response:
        assert response.status == 200
    locked.not_ready.append("policies are being loaded")
    async with locked.session.head(f"{locked.url}/readyz") as response:
        assert response.status == 503


async def test_it_is_not_ready_while_something_is_missing(api: RunningApi) -> None:
    """The reason is named, and being alive is another question."""
    api.not_ready.append("policies are being loaded")
    status, body = await api.get("/readyz")
    assert (status, body["detail"]) == (503, "policies are being loaded")
    assert (await api.get("/healthz"))[0] == 200


async def test_metrics_show_the_backlog_as_it_is_now(api: RunningApi) -> None:
    """Numbers of the store are read when they are asked for."""
    await api.backlog.put([a_push(api)])
    api.clock.advance(3)
    api.metrics.events.labels("main", "accepted", "").inc()
    status, text = await api.get("/metrics")
    assert status == 200
    assert 'watcher_backlog_jobs{lane="push",state="waiting"} 1.0' in text
    assert 'watcher_backlog_oldest_seconds{lane="push"} 3.0' in text
    assert 'watcher_events_total{decision="accepted",reason="",source="main"} 1.0' in text
    (job,) = await api.backlog.lease([Lane.PUSH], 1)
    await api.backlog.settle(job, Dead(reason="broken", detail=""))
    assert 'state="waiting"' not in (await api.get("/metrics"))[1]


async def test_a_store_that_is_down_is_said_everywhere(api: RunningApi) -> None:
    """Not ready, no old numbers among the metrics, and 503 for what needs it."""
    await api.backlog.put([a_push(api)])
    assert "watcher_backlog_jobs{" in (await api.get("/metrics"))[1]
    await api.database.close()
    assert (await api.get("/readyz"))[1]["detail"] == "the store does not answer"
    status, text = await api.get("/metrics")
    assert (status, "watcher_backlog_jobs{" in text, "watcher_verdicts_total" in text) == (200, False, True)
    status, body = await api.get("/api/v1/events")
    assert (status, body["reason"]) == (503, "store-unavailable")


class BrokenHook:
    async def receive(self, request: HookRequest) -> Reply | None:
        raise KeyError(request.method)


async def test_a_mistake_of_ours_tells_nobody_its_details(tmp_path: Path) -> None:
    """500 to the caller, the traceback to the log, and the next request is served."""
    async with running_api(tmp_path, hooks={"broken": BrokenHook()}) as api:
        assert await api.post("/hooks/broken") == (500, {"type": "about:blank", "title": "Internal error", "status": 500})
        assert (await api.get("/healthz"))[0] == 200


async def test_a_log_line_names_the_route_and_never_the_token(api: RunningApi) -> None:
    """Hooks and admission carry secrets in their paths."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(level="debug", stream=stream)
    try:
        await api.post("/hooks/main/hunter2")
        await api.post("/k8s/admission/hunter2")
        await api.get("/nowhere/hunter2")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    assert '"route": "/hooks/{source}/***"' in stream.getvalue()
    assert '"route": "none"' in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/images",
        f"/api/v1/images/{IMAGE}",
        "/api/v1/events",
        "/api/v1/dead-letters",
        "/api/v1/evaluations/x",
        "/api/v1/verdicts",
        "/nowhere",
    ],
)
async def test_the_token_opens_the_api(locked: RunningApi, path: str) -> None:
    """Without it not even what exists is told; with it the answer is the same as without a lock."""
    for headers in (
        {},
        {"Authorization": "Bearer the-token2"},
        {"Authorization": "Basic the-token"},
        {"Authorization": "the-token"},
    ):
        status, body = await locked.get(path, headers=headers)
        assert (status, body["title"]) == (401, "Unauthorized")
    assert (await locked.get(path, headers=TOKEN))[0] in (200, 404)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_need_no_token(locked: RunningApi, path: str) -> None:
    """The kubelet and Prometheus hold none."""
    assert (await locked.get(path))[0] == 200


async def test_an_error_is_a_problem_document(api: RunningApi) -> None:
    """RFC 9457, also for what the router itself answers."""
    async with api.session.get(api.url + "/nowhere") as response:
        assert response.content_type == "application/problem+json"
        assert await response.json(content_type=None) == {"type": "about:blank", "title": "Not Found", "status": 404}
    assert (await api.post("/healthz"))[0] == 405


async def test_images_are_paged_by_digest(api: RunningApi) -> None:
    """A page never ends within a digest, and the last one has no `next`."""
    digests = [Digest(f"sha256:{number:064d}") for number in range(5)]
    for digest in digests:
        await api.record(id=f"v-{digest}", subject=replace(SUBJECT, digest=digest))
    seen: list[str] = []
    path = "/api/v1/images?limit=2"
    pages = 0
    while True:
        pages += 1
        _, body = await api.get(path)
        seen += [image["digest"] for image in body["images"]]
        if body["next"] is None:
            break
        path = f"/api/v1/images?limit=2&cursor={body['next']}"
    assert (seen, pages) == (digests, 3)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=ten", "limit=-1", "limit=99999999999", "cursor=latest"])
async def test_a_page_that_makes_no_sense_is_refused(api: RunningApi, query: str) -> None:
    """400 with the parameter's name or what was expected."""
    assert (await api.get(f"/api/v1/images?{query}"))[0] == 400


async def test_an_image_shows_the_newest_verdict_of_every_subject(api: RunningApi) -> None:
    """Verdicts are per registry, repository and environment; the digest is what they share."""
    await api.record(id="old", outcome=Outcome.PASS)
    await api.record(id="new", outcome=Outcome.FAIL)
    status, body = await api.get(f"/api/v1/images/{IMAGE}")
    assert (status, body["verdict"]["id"], len(body["subjects"])) == (200, "new", 1)
    assert body["subjects"][0]["outcome"] == "fail"
    _, listed = await api.get(f"/api/v1/images/{IMAGE}/verdicts")
    assert await api.get(f"/api/v1/verdicts/{listed['verdicts'][0]['id']}") == (200, listed["verdicts"][0])
    assert (await api.get("/api/v1/verdicts/none"))[0] == 404
    assert [verdict["id"] for verdict in listed["verdicts"]] == ["new", "old"]


async def test_what_is_true_now_is_listed_by_outcome(api: RunningApi) -> None:
    """Newest first, page by page, without findings; an outcome that there is not is said to be none."""
    for number in range(3):
        await api.record(id=f"v-{number}", subject=replace(SUBJECT, environment=f"e{number}"), outcome=Outcome.FAIL)
    await api.record(id="v-3", subject=replace(SUBJECT, environment="e1"), outcome=Outcome.PASS)
    _, body = await api.get("/api/v1/verdicts?outcome=fail&limit=1")
    assert [(each["verdict_id"], each["digest"], each["environment"]) for each in body["verdicts"]] == [("v-2", IMAGE, "e2")]
    _, body = await api.get(f"/api/v1/verdicts?outcome=fail&limit=1&cursor={body['next']}")
    assert ([each["verdict_id"] for each in body["verdicts"]], body["next"]) == (["v-0"], None)
    assert [each["verdict_id"] for each in (await api.get("/api/v1/verdicts?environment=e1"))[1]["verdicts"]] == ["v-3"]
    status, body = await api.get("/api/v1/verdicts?outcome=green")
    assert (status, "not-applicable" in body["title"]) == (400, True)


async def test_a_cursor_of_what_is_gone_is_said_to_be_gone(api: RunningApi) -> None:
    """Not the end of the list: whoever reads it begins anew."""
    await api.record(id="v-1")
    for path in ("/api/v1/verdicts", f"/api/v1/images/{IMAGE}/verdicts"):
        status, body = await api.get(f"{path}?cursor=v-0")
        assert (status, body["reason"]) == (410, "verdict-gone")


async def test_an_inspection_is_shown_as_it_is_stored(api: RunningApi) -> None:
    """The facts beneath the verdict, by digest."""
    await api.verdicts.record([Judged(verdict=a_verdict(), inventory=an_inventory())], nobody)
    status, body = await api.get(f"/api/v1/images/{IMAGE}/inspection")
    assert (status, body["digest"], body["config"]["runs_as_root"]) == (200, IMAGE, False)


async def test_the_packages_of_an_image_are_written_for_other_tools(api: RunningApi) -> None:
    """In the format that is asked for, under the name that the registry has the image by."""
    await api.verdicts.record([Judged(verdict=a_verdict(), inventory=an_inventory())], nobody)
    subject = a_verdict().subject
    name = f"{subject.registry}/{subject.repository}"
    for query in ("", "?format=cyclonedx"):
        status, body = await api.get(f"/api/v1/images/{IMAGE}/sbom{query}")
        assert (status, body["specVersion"], body["metadata"]["component"]["name"]) == (200, "1.6", name)
    status, body = await api.get(f"/api/v1/images/{IMAGE}/sbom?format=spdx")
    assert (status, body["spdxVersion"], body["name"]) == (200, "SPDX-2.3", name)
    assert (await api.get(f"/api/v1/images/{IMAGE}/sbom?format=xml"))[0] == 400


@pytest.mark.parametrize("part", ["", "/inspection", "/sbom", "/verdicts"])
async def test_an_image_nobody_judged_is_not_found(api: RunningApi, part: str) -> None:
    """404, and 400 for what is no digest at all."""
    assert (await api.get(f"/api/v1/images/{IMAGE}{part}"))[0] == 404
    assert (await api.get(f"/api/v1/images/latest{part}"))[0] == 400


async def test_the_inbox_is_read_backwards(api: RunningApi) -> None:
    """Newest first, page by page, with what became of each event."""
    now = api.clock()
    await api.backlog.put([a_push(api)])
    await api.backlog.put([Arrival(source="main", decision=Ignored(reason="pull"), delivery_key="b", received_at=now)])
    await api.backlog.put([Arrival(source="main", decision=Rejected(reason="invalid-tag"), delivery_key="c", received_at=now)])
    _, first = await api.get("/api/v1/events?limit=2")
    assert [(event["decision"], event["reason"]) for event in first["events"]] == [("rejected", "invalid-tag"), ("ignored", "pull")]
    _, second = await api.get(f"/api/v1/events?limit=2&cursor={first['next']}")
    (accepted,) = second["events"]
    assert (accepted["decision"], accepted["digest"], accepted["tag"], second["next"]) == ("accepted", IMAGE, None, None)
    assert (await api.get("/api/v1/events?cursor=x"))[0] == 400


async def test_a_dead_letter_has_its_reason(api: RunningApi) -> None:
    """What was given up is listed with why, for a person to decide."""
    await api.backlog.put([a_push(api)])
    (job,) = await api.backlog.lease([Lane.PUSH], 1)
    await api.backlog.settle(job, Dead(reason="registry-refused", detail="answered 418"))
    _, body = await api.get("/api/v1/dead-letters")
    (letter,) = body["dead_letters"]
    assert (letter["state"], letter["reason"], letter["detail"]) == ("dead", "registry-refused", "answered 418")


async def test_dead_letters_of_both_kinds_are_read_page_by_page(api: RunningApi) -> None:
    """Jobs, then publications, each once; what is under way and what failed is counted."""
    for number in range(2):
        await api.backlog.put([a_push(api, key=f"k-{number}", digest=Digest(f"sha256:{number:064}"))])
        subject = replace(SUBJECT, digest=Digest(f"sha256:{number:064}"))
        await api.verdicts.record([Judged(verdict=a_verdict(id=f"v-{number}", subject=subject))], sending({f"v-{number}": ["log"]}))
    for job in await api.backlog.lease([Lane.PUSH], 9):
        await api.backlog.settle(job, Dead(reason="registry-refused", detail=""))
    outbox = StoredOutbox(api.database, api.clock)
    for publication in await outbox.due(9):
        await outbox.settle(publication, PublishFailed(reason="refused", detail=""))
    for limit in (1, 2, 3, 9):
        path, letters = f"/api/v1/dead-letters?limit={limit}", []
        while path:
            _, body = await api.get(path)
            letters += body["dead_letters"]
            path = f"/api/v1/dead-letters?limit={limit}&cursor={body['next']}" if body["next"] else ""
        assert [(each["kind"], each["digest"][-1]) for each in letters] == [
            ("job", "1"),
            ("job", "0"),
            ("publication", "1"),
            ("publication", "0"),
        ]
    assert 'watcher_outbox_publications{publisher="log",state="failed"} 2.0' in (await api.get("/metrics"))[1]


def test_a_server_that_others_reach_needs_a_token() -> None:
    """Refused when the configuration is read, not found out by somebody else."""
    with pytest.raises(ValueError, match="api_token"):
        ServerSettings(host="0.0.0.0")
    assert ServerSettings(host="0.0.0.0", api_token="env:TOKEN").port == 8080
    assert ServerSettings(host="::1").on_loopback
    assert ServerSettings(host="localhost").on_loopback


async def test_an_address_that_is_taken_may_be_free_soon() -> None:
    """One sentence with the address, no traceback; one that is none of this machine's has to be changed."""
    async with serving(web.Application(), ServerSettings(port=0)) as (_, port):
        with pytest.raises(BusyError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with serving(web.Application(), ServerSettings(port=port)):
                raise AssertionError("two servers listen on one port")
    with pytest.raises(ConfigurationError, match="cannot listen on 192") as refused:
        async with serving(web.Application(), ServerSettings(host="192.0.2.1", port=0, api_token="env:TOKEN")):
            raise AssertionError("this machine has the address of an example")
    assert not isinstance(refused.value, BusyError)


async def test_a_certificate_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    """Its path is named."""
    missing = TlsSettings(cert=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))
    with pytest.raises(ConfigurationError, match=r"cert\.pem"):
        async with serving(web.Application(), ServerSettings(port=0, tls=missing)):
            raise AssertionError("it serves without its certificate")
