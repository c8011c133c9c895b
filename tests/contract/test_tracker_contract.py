"""What is true of whoever keeps tickets, wherever that is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

import aiohttp
import pytest
from aiohttp import web

from tests.doubles.code_hosts import TOKEN
from tests.doubles.issue_trackers import (
    REPOSITORY,
    GithubIssuesDouble,
    GitlabIssuesDouble,
    serve_github_issues,
    serve_gitlab_issues,
)
from tests.doubles.jira_server import PROJECT, USER, JiraDouble, serve_jira
from tests.doubles.verdicts import MOMENT
from watcher.kit.secret import Secret
from watcher.publishing.github_api import github_api
from watcher.publishing.github_issue import GithubIssues
from watcher.publishing.gitlab_api import gitlab_api
from watcher.publishing.gitlab_issue import GitlabIssues
from watcher.publishing.jira import JiraIssues, jira_base, jira_headers
from watcher.publishing.message import Message, Paragraph, foreign, name, ours
from watcher.publishing.receiver import ReceiverRefusedError, ReceiverUnavailableError
from watcher.publishing.rest_api import RestApi
from watcher.publishing.ticket_flow import Tracker
from watcher.publishing.ticket_settings import GithubIssueSettings, GitlabIssueSettings, JiraSettings
from watcher.publishing.ticket_text import Draft

pytestmark = pytest.mark.enable_socket

MARKER = "a" * 64
DRAFT = Draft(
    marker=MARKER,
    title=(name("CVE-2026-1234"), ours(": "), name("vulnerabilities/fixable")),
    body=Message(title=(), blocks=(Paragraph(lines=((foreign("first text"),),)),)),
)
SECOND = replace(DRAFT, body=Message(title=(), blocks=(Paragraph(lines=((foreign("second text"),),)),)))


@dataclass(kw_only=True)
class Bench:
    """`texts` are (is open, title, text, comments) of every ticket, in the order they were made."""

    tracker: Tracker
    another: Callable[[], Tracker]  # after a restart
    texts: Callable[[], list[tuple[bool, str, str, list[str]]]]
    refuse: Callable[[web.Response], None]
    lose: Callable[[], None]  # the next answer, not the work
    delete: Callable[[str], None]
    move_by_hand: Callable[[str, bool], None]


async def _github(stack: AsyncExitStack) -> Bench:
    host = await stack.enter_async_context(serve_github_issues())
    session = await stack.enter_async_context(aiohttp.ClientSession())
    settings = GithubIssueSettings(url=host.server.url, token="env:UNUSED", repository=REPOSITORY)
    api = github_api("issues", host.server.url, Secret(TOKEN), session, lambda: MOMENT)

    def lose() -> None:
        host.lost = 1

    def delete(key: str) -> None:
        del host.issues[int(key)]

    return Bench(
        tracker=GithubIssues(settings, api),
        another=lambda: GithubIssues(settings, api),
        texts=lambda: _github_texts(host),
        refuse=host.refusals.append,
        lose=lose,
        delete=delete,
        move_by_hand=lambda key, is_open: host.issues[int(key)].update(state="open" if is_open else "closed"),
    )


def _github_texts(host: GithubIssuesDouble) -> list[tuple[bool, str, str, list[str]]]:
    return [
        (issue["state"] == "open", issue["title"], issue["body"], [said for of, said in host.comments if of == number])
        for number, issue in host.issues.items()
    ]


async def _gitlab(stack: AsyncExitStack) -> Bench:
    host = await stack.enter_async_context(serve_gitlab_issues())
    session = await stack.enter_async_context(aiohttp.ClientSession())
    settings = GitlabIssueSettings(url=host.server.url, token="env:UNUSED", project=REPOSITORY)
    api = gitlab_api("issues", host.server.url, Secret(TOKEN), session, lambda: MOMENT)

    def lose() -> None:
        host.lost = 1

    def delete(key: str) -> None:
        del host.issues[int(key)]

    return Bench(
        tracker=GitlabIssues(settings, api),
        another=lambda: GitlabIssues(settings, api),
        texts=lambda: _gitlab_texts(host),
        refuse=host.refusals.append,
        lose=lose,
        delete=delete,
        move_by_hand=lambda key, is_open: host.issues[int(key)].update(state="opened" if is_open else "closed"),
    )


def _gitlab_texts(host: GitlabIssuesDouble) -> list[tuple[bool, str, str, list[str]]]:
    return [
        (issue["state"] == "opened", issue["title"], issue["description"], [said for of, said in host.comments if of == number])
        for number, issue in host.issues.items()
    ]


async def _jira(stack: AsyncExitStack, *, in_cloud: bool) -> Bench:
    host = await stack.enter_async_context(serve_jira(in_cloud=in_cloud))
    session = await stack.enter_async_context(aiohttp.ClientSession())
    settings = JiraSettings(url=host.server.url, user=USER if in_cloud else "", token="env:UNUSED", project=PROJECT)
    api = RestApi("tickets", jira_base(settings), jira_headers(settings, Secret(TOKEN)), session, lambda: MOMENT)

    def lose() -> None:
        host.lost = 1

    def delete(key: str) -> None:
        del host.issues[key]

    return Bench(
        tracker=JiraIssues(settings, api),
        another=lambda: JiraIssues(settings, api),
        texts=lambda: _jira_texts(host),
        refuse=host.refusals.append,
        lose=lose,
        delete=delete,
        move_by_hand=lambda key, is_open: host.issues[key].update(status="In Progress" if is_open else "Done"),
    )


def _jira_texts(host: JiraDouble) -> list[tuple[bool, str, str, list[str]]]:
    return [
        (
            issue["status"] != "Done",
            issue["summary"],
            host.text(issue["description"]),
            [said for of, said in host.comments if of == key],
        )
        for key, issue in host.issues.items()
    ]


PLACES: Mapping[str, tuple[type, Callable[[AsyncExitStack], Awaitable[Bench]]]] = {
    "github": (GithubIssues, _github),
    "gitlab": (GitlabIssues, _gitlab),
    "jira-cloud": (JiraIssues, partial(_jira, in_cloud=True)),
    "jira-data-center": (JiraIssues, partial(_jira, in_cloud=False)),
}
TRACKERS = {tracker for tracker, _ in PLACES.values()}


@pytest.fixture(params=PLACES)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        tracker, opening = PLACES[request.param]
        opened = await opening(stack)
        assert type(opened.tracker) is tracker
        yield opened


async def test_a_ticket_is_open_and_says_what_it_is_to_say(bench: Bench) -> None:
    """Its title and its text."""
    await bench.tracker.create(DRAFT)
    ((is_open, title, text, comments),) = bench.texts()
    assert (is_open, title, comments) == (True, "CVE-2026-1234: vulnerabilities/fixable", [])
    assert "first text" in text


async def test_a_ticket_is_found_by_its_marker(bench: Bench) -> None:
    """By whoever made it and by who comes after, whether it is open or not."""
    assert await bench.tracker.find(MARKER) is None
    key = await bench.tracker.create(DRAFT)
    await bench.tracker.create(replace(DRAFT, marker="b" * 64))
    assert await bench.tracker.find(MARKER) == key
    await bench.tracker.move(key, "gone", is_open=False)
    assert await bench.another().find(MARKER) == key
    assert await bench.tracker.find("c" * 64) is None


async def test_a_ticket_whose_making_was_not_answered_is_found(bench: Bench) -> None:
    """It is there all the same."""
    bench.lose()
    with pytest.raises(ReceiverUnavailableError):
        await bench.tracker.create(DRAFT)
    assert await bench.tracker.find(MARKER) is not None
    assert len(bench.texts()) == 1


async def test_writing_replaces_the_text_and_nothing_else(bench: Bench) -> None:
    """Neither its state nor its marker; nobody is told."""
    key = await bench.tracker.create(DRAFT)
    await bench.tracker.move(key, "gone", is_open=False)
    assert await bench.tracker.write(key, SECOND)
    ((is_open, _, text, comments),) = bench.texts()
    assert (is_open, comments) == (False, ["gone"])
    assert "second text" in text
    assert "first text" not in text
    assert await bench.another().find(MARKER) == key


async def test_a_ticket_is_closed_and_opened_with_a_comment(bench: Bench) -> None:
    """Each time that its state changes."""
    key = await bench.tracker.create(DRAFT)
    assert await bench.tracker.move(key, "gone", is_open=False)
    assert [(is_open, said) for is_open, _, _, said in bench.texts()] == [(False, ["gone"])]
    assert await bench.tracker.move(key, "back", is_open=True)
    assert [(is_open, said) for is_open, _, _, said in bench.texts()] == [(True, ["gone", "back"])]


@pytest.mark.parametrize("is_open", [True, False])
async def test_what_a_person_did_already_is_not_done_again(bench: Bench, is_open: bool) -> None:
    """Nor said."""
    key = await bench.tracker.create(DRAFT)
    bench.move_by_hand(key, is_open)
    assert await bench.tracker.move(key, "said", is_open=is_open)
    assert [(there, said) for there, _, _, said in bench.texts()] == [(is_open, [])]


async def test_a_ticket_that_was_deleted_is_none(bench: Bench) -> None:
    """Neither written to nor moved, nor found by who knew it."""
    key = await bench.tracker.create(DRAFT)
    assert await bench.tracker.find(MARKER) == key
    bench.delete(key)
    assert not await bench.tracker.write(key, SECOND)
    assert not await bench.tracker.move(key, "gone", is_open=False)
    assert await bench.tracker.find(MARKER) is None


async def test_texts_of_others_call_nobody_and_lead_nowhere(bench: Bench) -> None:
    """Whoever pushes an image has a say in them."""
    hostile = "@my-org/team [x](https://evil.example) http://evil.example"
    lines = ((foreign(hostile),), (name(hostile),))
    await bench.tracker.create(replace(DRAFT, title=(foreign(hostile),), body=Message(title=(), blocks=(Paragraph(lines=lines),))))
    ((_, title, text, _),) = bench.texts()
    for said in (title, text):
        assert not [each for each in ("@my-org", "https://", "http://") if each in said]


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, ReceiverUnavailableError), (429, ReceiverUnavailableError), (403, ReceiverRefusedError)],
)
async def test_what_passes_is_told_from_what_does_not(bench: Bench, status: int, error: type[Exception]) -> None:
    """In every request."""
    key = await bench.tracker.create(DRAFT)
    for call in (
        lambda: bench.another().find(MARKER),
        lambda: bench.tracker.create(DRAFT),
        lambda: bench.tracker.write(key, SECOND),
        lambda: bench.tracker.move(key, "gone", is_open=False),
    ):
        bench.refuse(web.Response(status=status))
        with pytest.raises(error):
            await call()
