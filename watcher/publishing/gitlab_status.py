"""Set the status of a commit at GitLab, which shows it as an external job of the commit's pipeline.

Spec: docs.gitlab.com/api/commits, "Set commit pipeline status" (409: another update is under way) and "List commit statuses".
"""

from typing import Any

from watcher.kit.secret import resolve
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.commit_status import CommitStatuses, Status
from watcher.publishing.commit_status_settings import GitlabStatusSettings
from watcher.publishing.context import PublisherContext
from watcher.publishing.gitlab_api import gitlab_api, project_path
from watcher.publishing.protocol import Progress
from watcher.publishing.receiver import ReceiverRefusedError

MAX_DESCRIPTION = 255
# Nothing there is called an error.
STATES = {Outcome.PASS: "success", Outcome.WARN: "success", Outcome.FAIL: "failed", Outcome.UNKNOWN: "failed"}


class GitlabStatusPublisher:
    """One GitLab."""

    def __init__(self, settings: GitlabStatusSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._api = gitlab_api(settings.name, settings.url, resolve(settings.token), context.session, context.clock)
        self._statuses = CommitStatuses(settings, context.labels, context.tags, groups=True)
        self._links = context.links

    async def open(self) -> None:
        """The version is told to whoever is known."""
        await self._api.call("GET", "/version")

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  what is there is read
        status = await self._statuses.of(verdict)
        if status is None:
            return
        target = self._links.verdict(verdict)
        wanted = {
            "state": STATES[status.outcome],
            "name": status.context,
            "description": status.description[:MAX_DESCRIPTION],
            **({"target_url": target} if target else {}),
        }
        # Each one that is set is another job of the pipeline.
        if await self._is_set(status, {**wanted, "target_url": target}):
            return
        path = f"{project_path(status.commit.repository)}/statuses/{status.commit.sha}"
        answer = await self._api.call("POST", path, body=wanted, bear=(404,))
        if answer.status != 404:
            return
        if "Project" in answer.message or not answer.message:
            raise ReceiverRefusedError(f"{self.name}: {status.commit.repository} answered 404: {answer.message}")
        # "404 Commit Not Found", or "404 References for commit Not Found" of a commit that no branch has.
        self._statuses.skipped(verdict, "no-such-commit")

    async def _is_set(self, status: Status, wanted: dict[str, Any]) -> bool:
        path = f"{project_path(status.commit.repository)}/repository/commits/{status.commit.sha}/statuses"
        answer = await self._api.call("GET", path, query={"name": status.context, "per_page": "100"}, bear=(404,))
        there = [each for each in answer.body if each["name"] == status.context] if isinstance(answer.body, list) else []
        if not there:
            return False
        last = max(there, key=lambda each: int(each["id"]))
        return last["status"] == wanted["state"] and all(last.get(key) == wanted[key] for key in ("description", "target_url"))

    async def aclose(self) -> None:
        """The session belongs to the daemon."""
