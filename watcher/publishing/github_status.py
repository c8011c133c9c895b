"""Set the status of a commit at GitHub.

Spec: docs.github.com/rest/commits/statuses, "Create a commit status" (a description has 140 characters at most, a commit 1000
statuses of one context) and "Get the combined status" (the last of each context).
"""

from typing import Any

from watcher.kit.secret import resolve
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.commit_status import CommitStatuses, Status
from watcher.publishing.commit_status_settings import GithubStatusSettings
from watcher.publishing.context import PublisherContext
from watcher.publishing.github_api import github_api
from watcher.publishing.protocol import Progress
from watcher.publishing.receiver import ReceiverRefusedError

MAX_DESCRIPTION = 140
PER_PAGE = 100
# Ten pages: so many contexts on one commit nobody has.
MAX_PAGES = 10
STATES = {Outcome.PASS: "success", Outcome.WARN: "success", Outcome.FAIL: "failure", Outcome.UNKNOWN: "error"}


class GithubStatusPublisher:
    """One GitHub."""

    def __init__(self, settings: GithubStatusSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._api = github_api(settings.name, settings.url, resolve(settings.token), context.session, context.clock)
        self._statuses = CommitStatuses(settings, context.labels, context.tags)
        self._links = context.links

    async def open(self) -> None:
        """The root of the API answers whoever is known."""
        await self._api.call("GET", "/")

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  what is there is read
        status = await self._statuses.of(verdict)
        if status is None:
            return
        wanted = {
            "state": STATES[status.outcome],
            "context": status.context,
            "description": status.description[:MAX_DESCRIPTION],
            "target_url": self._links.verdict(verdict),
        }
        # Each one that is set is kept, and their number is limited.
        if await self._is_set(status, wanted):
            return
        path = f"/repos/{status.commit.repository}/statuses/{status.commit.sha}"
        answer = await self._api.call("POST", path, body=wanted, bear=(422,))
        if answer.status != 422:
            return
        if not answer.message.startswith("No commit found"):
            raise ReceiverRefusedError(f"{self.name}: {status.commit.repository} answered 422: {answer.message}")
        self._statuses.skipped(verdict, "no-such-commit")

    async def _is_set(self, status: Status, wanted: dict[str, Any]) -> bool:
        path = f"/repos/{status.commit.repository}/commits/{status.commit.sha}/status"
        for page in range(1, MAX_PAGES + 1):
            query = {"per_page": str(PER_PAGE), "page": str(page)}
            # What is wrong with the commit or with our rights, setting says best.
            answer = await self._api.call("GET", path, query=query, bear=(404, 422))
            there = answer.body.get("statuses", []) if answer.status == 200 and isinstance(answer.body, dict) else []
            for each in there:
                # "This field is case-insensitive."
                if each["context"].lower() == status.context.lower():
                    return all(each.get(key) == value for key, value in wanted.items() if key != "context")
            if len(there) < PER_PAGE:
                break
        return False

    async def aclose(self) -> None:
        """The session belongs to the daemon."""
