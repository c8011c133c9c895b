"""Code hosts and trackers, as the suite of publishers asks for a destination."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.doubles.code_hosts import TOKEN, CodeHostDouble, built_from, serve_github, serve_gitlab
from tests.doubles.destinations import Destination, Opening
from tests.doubles.issue_trackers import (
    REPOSITORY,
    GithubIssuesDouble,
    GitlabIssuesDouble,
    serve_github_issues,
    serve_gitlab_issues,
)
from tests.doubles.jira_server import PROJECT, USER, JiraDouble, serve_jira
from tests.doubles.publishing import publisher_context
from tests.doubles.verdicts import a_verdict
from watcher.publishing.catalog import build_publisher
from watcher.publishing.commit_status_settings import GithubStatusSettings, GitlabStatusSettings
from watcher.publishing.github_issue import GithubIssuePublisher
from watcher.publishing.github_status import GithubStatusPublisher
from watcher.publishing.gitlab_issue import GitlabIssuePublisher
from watcher.publishing.gitlab_status import GitlabStatusPublisher
from watcher.publishing.jira import JiraPublisher
from watcher.publishing.ticket_settings import GithubIssueSettings, GitlabIssueSettings, JiraSettings
from watcher.publishing.wanted import PublisherSettings

Host = CodeHostDouble | GithubIssuesDouble | GitlabIssuesDouble | JiraDouble


async def _github_status(stack: AsyncExitStack, folder: Path) -> Destination:
    host = await stack.enter_async_context(serve_github("my-org/app"))
    settings = GithubStatusSettings(name="mine", url=host.url, token=_token(folder), repositories=("my-org/*",))
    return await _destination(stack, folder, settings, host, labels=built_from("my-org/app"))


async def _gitlab_status(stack: AsyncExitStack, folder: Path) -> Destination:
    host = await stack.enter_async_context(serve_gitlab("group/team/app"))
    settings = GitlabStatusSettings(name="mine", url=host.url, token=_token(folder), repositories=("group/**",))
    return await _destination(stack, folder, settings, host, labels=built_from("group/team/app"))


async def _github_issue(stack: AsyncExitStack, folder: Path) -> Destination:
    host = await stack.enter_async_context(serve_github_issues())
    settings = GithubIssueSettings(name="mine", url=host.server.url, token=_token(folder), repository=REPOSITORY)
    return await _destination(stack, folder, settings, host, labels={})


async def _gitlab_issue(stack: AsyncExitStack, folder: Path) -> Destination:
    host = await stack.enter_async_context(serve_gitlab_issues())
    settings = GitlabIssueSettings(name="mine", url=host.server.url, token=_token(folder), project=REPOSITORY)
    return await _destination(stack, folder, settings, host, labels={})


async def _jira(stack: AsyncExitStack, folder: Path) -> Destination:
    host = await stack.enter_async_context(serve_jira())
    settings = JiraSettings(name="mine", url=host.server.url, user=USER, token=_token(folder), project=PROJECT)
    return await _destination(stack, folder, settings, host, labels={})


def _token(folder: Path) -> str:
    (folder / "token").write_text(TOKEN)
    return f"file:{folder}/token"


async def _destination(stack: AsyncExitStack, folder: Path, settings: Any, host: Host, *, labels: Mapping[str, str]) -> Destination:
    context = await stack.enter_async_context(publisher_context(folder / "w.db", labels=labels))
    return Destination(
        name="mine",
        publisher=build_publisher(settings, context),
        verdict=a_verdict(),
        seen=host.seen,
        leave=partial(_down, host),
    )


async def _down(host: Host) -> None:
    host.refusals.extend(web.Response(status=503) for _ in range(1000))


CODE_HOSTS: Mapping[type[PublisherSettings], tuple[type, Opening]] = {
    GithubStatusSettings: (GithubStatusPublisher, _github_status),
    GitlabStatusSettings: (GitlabStatusPublisher, _gitlab_status),
    GithubIssueSettings: (GithubIssuePublisher, _github_issue),
    GitlabIssueSettings: (GitlabIssuePublisher, _gitlab_issue),
    JiraSettings: (JiraPublisher, _jira),
}
