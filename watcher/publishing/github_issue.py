"""Keep a GitHub issue for each cause.

Spec: docs.github.com/rest/issues: "List repository issues", "Create an issue" (labels need the right to push or to triage, and are
left out silently without), "Update an issue" (301, 404 and 410: it was transferred or deleted), "Create an issue comment".
"""

import re
from typing import Any

import structlog

from watcher.kit.secret import resolve
from watcher.model.verdict import Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.github_api import github_api
from watcher.publishing.message import Message
from watcher.publishing.message_layout import body_text, title_text
from watcher.publishing.message_markup import MARKDOWN
from watcher.publishing.protocol import Progress
from watcher.publishing.receiver import ReceiverRefusedError
from watcher.publishing.rest_api import RestApi
from watcher.publishing.ticket_flow import TicketFlow
from watcher.publishing.ticket_marker import marked, marker_of
from watcher.publishing.ticket_settings import GithubIssueSettings
from watcher.publishing.ticket_text import Draft

log = structlog.get_logger(__name__)

MAX_TITLE = 256
# A body may have 65 536 characters; the marker stands behind ours.
MAX_BODY = 60_000
PER_PAGE = 100
# Five thousand issues of ours. Which is looked for is among the newest, unless the store is an old one.
MAX_PAGES = 50
# `#123` and `GH-123` become links after the escapes are read, and tell the issue that they name.
_REFERENCE = re.compile(r"#(?=\d)|\b(?:GH|gh|Gh|gH)-(?=\d)")
_GONE = (301, 404, 410)


class GithubIssuePublisher:
    """One repository whose issues are ours to keep."""

    def __init__(self, settings: GithubIssueSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._repository = settings.repository
        self._api = github_api(settings.name, settings.url, resolve(settings.token), context.session, context.clock)
        self._flow = TicketFlow(settings, context.tickets, GithubIssues(settings, self._api))

    async def open(self) -> None:
        """The repository is there, and has issues."""
        answer = await self._api.call("GET", f"/repos/{self._repository}")
        if isinstance(answer.body, dict) and answer.body.get("has_issues") is False:
            raise ReceiverRefusedError(f"{self.name}: {self._repository} has no issues: switch them on in its settings")

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  the tickets know how far they are
        await self._flow.tell(verdict)

    async def aclose(self) -> None:
        """The session belongs to the daemon."""


class GithubIssues:
    """`Tracker` of watcher/publishing/ticket_flow.py. An issue is found by a comment of HTML at its end, which nobody sees."""

    def __init__(self, settings: GithubIssueSettings, api: RestApi) -> None:
        self._name = settings.name
        self._issues = f"/repos/{settings.repository}/issues"
        self._label = settings.label
        self._api = api
        # By their markers, once they were listed. A search would be limited to thirty requests a minute, and late.
        self._known: dict[str, str] | None = None

    async def find(self, marker: str) -> str | None:
        if self._known is None:
            self._known = await self._listed()
        return self._known.get(marker)

    async def create(self, draft: Draft) -> str:
        known, self._known = self._known, None  # whether it was made is not known until there is an answer
        made = await self._api.call("POST", self._issues, body={**content(draft), "labels": [self._label]})
        key = str(made.body["number"])
        if self._label not in [each["name"] for each in made.body["labels"]]:
            log.warning("ticket.unlabelled", publisher=self._name, ticket=key, label=self._label)
        self._known = None if known is None else {**known, draft.marker: key}
        return key

    async def write(self, key: str, draft: Draft) -> bool:
        return await self._changed(key, content(draft))

    async def move(self, key: str, said: str, *, is_open: bool) -> bool:
        issue = await self._api.call("GET", f"{self._issues}/{key}", bear=_GONE)
        state = "open" if is_open else "closed"
        if issue.status in _GONE:
            return self._forgotten(key)
        if issue.body["state"] == state:
            return True
        # First what a repetition would see: a comment that is missing is better than two.
        there = await self._changed(key, {"state": state, "state_reason": "reopened" if is_open else "completed"})
        if there:
            await self._api.call("POST", f"{self._issues}/{key}/comments", body={"body": said}, bear=_GONE)
        return there

    async def _changed(self, key: str, fields: dict[str, Any]) -> bool:
        answer = await self._api.call("PATCH", f"{self._issues}/{key}", body=fields, bear=_GONE)
        return answer.status not in _GONE or self._forgotten(key)

    def _forgotten(self, key: str) -> bool:
        if self._known is not None:
            self._known = {marker: known for marker, known in self._known.items() if known != key}
        return False

    async def _listed(self) -> dict[str, str]:
        known: dict[str, str] = {}
        for page in range(1, MAX_PAGES + 1):
            query = {"labels": self._label, "state": "all", "sort": "created", "direction": "desc"}
            answer = await self._api.call("GET", self._issues, query={**query, "per_page": str(PER_PAGE), "page": str(page)})
            for issue in answer.body:
                marker = marker_of(issue.get("body"))
                if marker and "pull_request" not in issue:
                    # The newest of several, which a person may have copied.
                    known.setdefault(marker, str(issue["number"]))
            if len(answer.body) < PER_PAGE:
                break
        return known


def content(draft: Draft) -> dict[str, str]:
    title = title_text(Message(title=draft.title), most=MAX_TITLE)
    return {"title": _unlinked(title), "body": marked(_unlinked(body_text(draft.body, MARKDOWN, most=MAX_BODY)), draft.marker)}


def _unlinked(text: str) -> str:
    """With something between sign and number that cannot be seen, so that they are none."""
    return _REFERENCE.sub(lambda found: found[0] + "\u200b", text)
