from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from tests.doubles.code_hosts import SHA, TOKEN, CodeHostDouble, built_from, serve_github, serve_gitlab
from tests.doubles.databases import opened_beside
from tests.doubles.publishing import Notes, publisher_context, record_labels
from tests.doubles.verdicts import FINDING, MOMENT, a_verdict
from watcher.model.digest import Digest
from watcher.model.verdict import Action, Outcome, Verdict
from watcher.publishing.catalog import build_publisher
from watcher.publishing.commit_status_settings import GithubStatusSettings, GitlabStatusSettings
from watcher.publishing.github_api import api_base
from watcher.publishing.links import Links
from watcher.publishing.protocol import Publisher
from watcher.publishing.receiver import ReceiverRefusedError, ReceiverUnavailableError
from watcher.store.tags import leave

pytestmark = pytest.mark.enable_socket

LINKS = Links(public_url="https://watcher.example.com")
OUTCOMES = (Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN)


@dataclass(kw_only=True)
class Bench:
    host: CodeHostDouble
    publisher: Publisher

    async def publish(self, verdict: Verdict | None = None) -> None:
        await self.publisher.publish(verdict or a_verdict(), Notes())


async def bench_of(
    kind: str, stack: AsyncExitStack, folder: Path, labels: dict[str, str] | None = None, **settings: object
) -> Bench:
    (folder / "token").write_text(TOKEN)
    fields = {"token": f"file:{folder}/token", "repositories": ("my-org/*",), **settings}
    serve, kept = (serve_github, GithubStatusSettings) if kind == "github" else (serve_gitlab, GitlabStatusSettings)
    host = await stack.enter_async_context(serve("my-org/app"))
    context = await stack.enter_async_context(publisher_context(folder / "w.db", labels=labels or built_from("my-org/app")))
    built = build_publisher(kept(**{"url": host.url, **fields}), replace(context, links=LINKS))  # type: ignore[arg-type]
    return Bench(host=host, publisher=built)


@pytest.fixture(params=["github", "gitlab"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield await bench_of(request.param, stack, tmp_path)


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield await bench_of("github", stack, tmp_path)


async def test_the_commit_says_how_the_image_was_judged(bench: Bench) -> None:
    """In counts, never in words of the image's, with a link to the whole verdict."""
    unknown = replace(FINDING, action=Action.UNKNOWN, message="<script>@team")
    await bench.publish(a_verdict(findings=(FINDING, unknown)))
    (status,) = bench.host.statuses["my-org/app", SHA]
    assert status["description"] == "fail: 1 fail, 1 unknown; 111111111111"
    assert status["target_url"] == "https://watcher.example.com/api/v1/verdicts/v-1"
    assert (status.get("context") or status["name"]) == "watcher/team/app"


@pytest.mark.parametrize(
    ("kind", "states"),
    [("github", ["success", "success", "failure", "error"]), ("gitlab", ["success", "success", "failed", "failed"])],
)
async def test_an_outcome_has_a_state(kind: str, states: list[str], tmp_path: Path) -> None:
    """A warning does not block, and what could not be decided is no success."""
    async with AsyncExitStack() as stack:
        bench = await bench_of(kind, stack, tmp_path)
        for outcome in OUTCOMES:
            await bench.publish(a_verdict(outcome=outcome))
        assert bench.host.all("state" if kind == "github" else "status") == states


async def test_what_is_there_is_not_set_again(bench: Bench) -> None:
    """Each is kept for ever, and a code host takes only so many."""
    for _ in range(3):
        await bench.publish()
    assert len(bench.host.all("description")) == 1
    await bench.publish(a_verdict(outcome=Outcome.PASS, findings=()))
    await bench.publish()
    assert [each[:4] for each in bench.host.all("description")] == ["fail", "pass", "fail"]


async def test_others_keep_theirs(bench: Bench) -> None:
    """Statuses of other programs on the same commit are neither taken for ours nor touched."""
    await bench.publish()
    (ours,) = bench.host.statuses["my-org/app", SHA]
    bench.host.statuses["my-org/app", SHA].insert(0, {**ours, "context": "ci/build", "name": "ci/build"})
    await bench.publish()
    assert len(bench.host.all("description")) == 2


async def test_ours_is_found_behind_a_page_of_others(github: Bench) -> None:
    """On a commit with many contexts the list has pages."""
    await github.publish()
    (ours,) = github.host.statuses["my-org/app", SHA]
    others = [{**ours, "context": f"ci/{number}"} for number in range(150)]
    github.host.statuses["my-org/app", SHA][:0] = others
    await github.publish()
    assert len(github.host.all("state")) == 151


@pytest.mark.parametrize(
    "verdict", [a_verdict(index_digest=Digest("sha256:" + "d" * 64)), a_verdict(outcome=Outcome.NOT_APPLICABLE)]
)
async def test_an_index_speaks_for_its_images_and_what_cannot_run_for_nothing(bench: Bench, verdict: Verdict) -> None:
    """One image that passes does not hide another that fails."""
    await bench.publish(verdict)
    assert bench.host.server.asked == []


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"maintainer": "me"}, "no-source"),
        (built_from("my-org/app", host="github.com"), "other-host"),
        (built_from("other-org/app"), "not-listed"),
        (built_from("my-org/app", sha="main"), "no-revision"),
    ],
)
async def test_an_image_that_names_no_commit_of_ours_is_passed_over(labels: dict[str, str], reason: str, tmp_path: Path) -> None:
    """No request is made, no error either; the log says so once."""
    async with AsyncExitStack() as stack:
        bench = await bench_of("github", stack, tmp_path, labels)
        with capture_logs() as lines:
            for _ in range(3):
                await bench.publish()
        assert bench.host.server.asked == []
        assert [(line["event"], line["image"], line["reason"]) for line in lines] == [
            ("status.skipped", "registry.example.com/team/app", reason)
        ]


async def test_an_image_whose_tag_is_anothers_does_not_speak_for_the_commit(github: Bench, tmp_path: Path) -> None:
    """It is judged again, and what was built from the same commit since stands."""
    subject, newer = a_verdict().subject, Digest("sha256:" + "e" * 64)
    async with opened_beside(tmp_path / "w.db") as database:
        later = a_verdict(id="v-2", subject=replace(subject, digest=newer), outcome=Outcome.PASS, findings=())
        await record_labels(database, later, built_from("my-org/app"))
        await database.write(
            lambda connection: leave(connection, subject.registry, subject.repository, subject.digest, subject.tags)
        )
    await github.publish(later)
    await github.publish()
    assert github.host.all("state") == ["success"]


async def test_a_commit_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    """It was built from what was never pushed, or says what is not true."""
    for kind in ("github", "gitlab"):
        async with AsyncExitStack() as stack:
            (tmp_path / kind).mkdir()
            bench = await bench_of(kind, stack, tmp_path / kind, built_from("my-org/app", sha="f" * 40))
            with capture_logs() as lines:
                await bench.publish()
            assert [line["reason"] for line in lines] == ["no-such-commit"]
            assert bench.host.all("description") == []


async def test_a_repository_without_rights_needs_a_person(bench: Bench) -> None:
    """It does not exist for this token, and the sentence says which it was."""
    bench.host.repositories.clear()
    with pytest.raises(ReceiverRefusedError, match="404"):
        await bench.publish()


async def test_a_wrong_token_needs_a_person_and_is_said_at_start(bench: Bench) -> None:
    """Neither sentence has the token in it."""
    await bench.publisher.open()
    bench.host.refusals.extend(web.json_response({"message": "Bad credentials"}, status=401) for _ in range(2))
    with pytest.raises(ReceiverRefusedError) as opening:
        await bench.publisher.open()
    with pytest.raises(ReceiverRefusedError) as publishing:
        await bench.publish()
    assert TOKEN not in str(opening.value) + str(publishing.value)


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds"),
    [
        (503, {}, "", None),
        (502, {}, "<html>", None),
        (409, {}, '{"message": "Another update to this commit status is in progress"}', None),
        (429, {"Retry-After": "7"}, "", 7),
        (429, {"RateLimit-Reset": str(int(MOMENT.timestamp()) + 30), "Date": "Wed, 25 Nov 2026 10:00:00 GMT"}, "", 30),
        (403, {"Retry-After": "60"}, "", 60),
        (
            403,
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int(MOMENT.timestamp()) + 90),
                "Date": "Wed, 25 Nov 2026 10:00:00 GMT",
            },
            "",
            90,
        ),
        (403, {}, '{"message": "You have exceeded a secondary rate limit."}', None),
    ],
)
async def test_what_passes_is_tried_again(
    bench: Bench, status: int, headers: dict[str, str], body: str, seconds: float | None
) -> None:
    """A limit is waited out for as long as it lasts, said with 429 or, by GitHub, with 403."""
    bench.host.refusals.append(web.Response(status=status, headers=headers, text=body))
    with pytest.raises(ReceiverUnavailableError) as caught:
        await bench.publish()
    assert caught.value.retry_after_seconds == seconds
    await bench.publish()
    assert len(bench.host.all("description")) == 1


async def test_a_page_is_no_answer(bench: Bench) -> None:
    """A proxy that wants somebody to log in says 200, and has taken nothing."""
    bench.host.refusals.append(web.Response(status=200, text="<html>log in</html>", content_type="text/html"))
    with pytest.raises(ReceiverUnavailableError, match="no JSON"):
        await bench.publish()


@pytest.mark.parametrize("status", [301, 307, 403, 400])
async def test_what_does_not_pass_needs_a_person(bench: Bench, status: int) -> None:
    """A repository that was renamed is no place to follow to with a token: it is not the one that was listed."""
    bench.host.refusals.append(web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(ReceiverRefusedError, match=str(status)):
        await bench.publish()


async def test_a_commit_with_too_many_statuses_is_said(github: Bench) -> None:
    """1000 of one context are all that a commit takes."""
    full = web.json_response({"message": "Validation Failed: maximum number of statuses"}, status=422)
    github.host.refusals.extend([web.json_response({"statuses": []}), full])
    with pytest.raises(ReceiverRefusedError, match="422: Validation Failed"):
        await github.publish()


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_whoever_does_not_answer_is_tried_again(kind: str, tmp_path: Path) -> None:
    """As a destination that is down."""
    async with AsyncExitStack() as stack:
        bench = await bench_of(kind, stack, tmp_path, url="http://127.0.0.1:1")
        with pytest.raises(ReceiverUnavailableError, match="Connection refused"):
            await bench.publish()


async def test_a_context_can_tell_environments_apart(tmp_path: Path) -> None:
    """Where one commit is judged for several."""
    async with AsyncExitStack() as stack:
        bench = await bench_of("github", stack, tmp_path, context="{registry}/{repository} ({environment})")
        await bench.publish()
        assert bench.host.all("context") == ["registry.example.com/team/app (production)"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("context", "{tag}", "context: only {environment}, {registry}, {repository}"),
        ("context", "{repository!r}", "context: only"),
        ("context", "{repository", "context: "),
        ("context", "{}", "context: only"),
        ("repositories", [], "length >= 1"),
        ("outcomes", ["fail"], "a status stands until another is set"),
        ("url", "https://token@github.com", "matching regex"),
    ],
)
def test_what_could_not_work_is_refused_at_load(field: str, value: object, said: str) -> None:
    """And not when the first verdict is to be told."""
    document = {"type": "github-status", "token": "env:T", "repositories": ["my-org/*"], field: value}
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(document, GithubStatusSettings)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://github.com/", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://git.example.com", "https://git.example.com/api/v3"),
        ("https://git.example.com:8443/", "https://git.example.com:8443/api/v3"),
    ],
)
def test_the_api_is_where_its_documentation_says(url: str, base: str) -> None:
    """Of GitHub itself, of GHE.com, and of an Enterprise Server."""
    assert str(api_base(URL(url))).rstrip("/") == base
