"""Pushes of a whole daemon at the commits that they were built from, and in tickets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.doubles.code_hosts import SHA, TOKEN, CodeHostDouble, built_from, serve_github, serve_gitlab
from tests.doubles.hooks import envelope, push_event
from tests.doubles.issue_trackers import REPOSITORY, GithubIssuesDouble, serve_github_issues
from tests.doubles.jira_server import PROJECT, USER, JiraDouble, serve_jira
from watcher import settings as configuration
from watcher.daemon import assembled
from watcher.model.reference import RepositoryName
from watcher.testing.images import BuiltImage, build_image, build_index, build_layer, put_image
from watcher.testing.registry import MemoryRegistry, serve_registry

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(180)]

APP = RepositoryName("team/app")
KEY = "AKIA" + "Q3EGRIMZ7KLDOP5X"
CONFIGURATION = """\
server: {{port: {port}, public_url: "https://watcher.example.com"}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
registries: [{{host: "{registry}"}}]
sources: [{{type: webhook, dialect: distribution, auth: {{type: none}}}}]
publish:
  - {{type: github-status, url: "{github}", token: "env:CODE_HOST_TOKEN", repositories: ["my-org/*"]}}
  - {{type: gitlab-status, url: "{gitlab}", token: "env:CODE_HOST_TOKEN", repositories: ["my-org/*"]}}
  - {{type: github-issue, url: "{issues}", token: "env:CODE_HOST_TOKEN", repository: {repository}}}
  - {{type: jira, url: "{jira}", user: {user}, token: "env:CODE_HOST_TOKEN", project: {project}}}
"""


@dataclass(kw_only=True)
class World:
    url: str
    registry: MemoryRegistry
    session: aiohttp.ClientSession
    github: CodeHostDouble
    gitlab: CodeHostDouble
    issues: GithubIssuesDouble
    jira: JiraDouble

    async def push(self, image: BuiltImage) -> None:
        put_image(self.registry, APP, image, "latest")
        event = push_event(self.registry.host, APP, image, "latest")
        async with self.session.post(f"{self.url}/hooks/distribution", data=envelope(event)) as response:
            assert response.status == 202

    def statuses(self) -> tuple[list[str], list[str]]:
        return self.github.all("state"), self.gitlab.all("status")

    def tickets(self) -> tuple[int, int, int, int]:
        """How many are open and closed, at GitHub and in Jira."""
        done = [each["status"] == "Done" for each in self.jira.issues.values()]
        return len(self.issues.titles("open")), len(self.issues.titles("closed")), done.count(False), done.count(True)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("CODE_HOST_TOKEN", TOKEN)
    async with (
        serve_registry() as registry,
        serve_github("my-org/app") as github,
        serve_gitlab("my-org/app") as gitlab,
        serve_github_issues() as issues,
        serve_jira() as jira,
        aiohttp.ClientSession() as session,
    ):
        path = tmp_path / "watcher.yaml"
        path.write_text(
            CONFIGURATION.format(
                port=0,
                folder=tmp_path,
                registry=registry.host,
                github=github.url,
                gitlab=gitlab.url,
                issues=issues.server.url,
                jira=jira.server.url,
                repository=REPOSITORY,
                user=USER,
                project=PROJECT,
            )
        )
        async with assembled(configuration.load(path), folder=tmp_path) as daemon:
            started: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
            running = asyncio.create_task(daemon.run(started=started))
            host, port = await started
            url = f"http://{host}:{port}"
            yield World(url=url, registry=registry, session=session, github=github, gitlab=gitlab, issues=issues, jira=jira)
            running.cancel()
            await asyncio.wait([running])


def app(*, leaks: bool, platform: str = "linux/amd64") -> BuiltImage:
    files = {"etc/passwd": "app:x:1000:1000::/:/bin/sh\n"}
    if leaks:
        files["root/.aws/credentials"] = f"aws_access_key_id = {KEY}\n"
    config = {"User": "1000", "Labels": built_from("my-org/app")}
    return build_image([build_layer(files)], config=config, platform=platform)


async def until(seen: Callable[[], object], wanted: object) -> None:
    """Wait for it; what is seen instead says why it did not come."""
    try:
        async with asyncio.timeout(60):
            while seen() != wanted:
                await asyncio.sleep(0.02)
    except TimeoutError:
        assert seen() == wanted


async def test_a_push_is_seen_at_its_commit_and_in_tickets(world: World) -> None:
    """An index by its worst image, once; what its successor mended is closed when the tag is that one's."""
    await world.push(build_index([app(leaks=True), app(leaks=False, platform="linux/arm64")]))
    await until(world.statuses, (["failure"], ["failed"]))
    opened = world.github.statuses["my-org/app", SHA][0]
    assert opened["context"] == "watcher/team/app"
    assert opened["target_url"].startswith("https://watcher.example.com/api/v1/verdicts/")
    await until(lambda: world.tickets()[::2], (1, 1))
    (title,) = world.issues.titles("open")
    assert title == f"baseline/aws-keys: {world.registry.host}/team/app"
    assert KEY not in str(world.issues.issues) + str(world.jira.issues)

    await world.push(build_index([app(leaks=False), app(leaks=False, platform="linux/arm64")]))
    await until(lambda: world.tickets()[1::2], (1, 1))
    await until(lambda: [each[-1] for each in world.statuses()], ["success", "success"])
    assert world.tickets() == (0, 1, 0, 1)
