"""Keep a GitLab issue for each cause.

Spec: docs.gitlab.com/api/issues: "List project issues", "New issue", "Edit an issue" (`state_event`); docs.gitlab.com/api/notes.
"""

import re
from typing import Any

from watcher.kit.secret import resolve
from watcher.model.verdict import Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.gitlab_api import gitlab_api, project_path
from watcher.publishing.message import Message
from watcher.publishing.message_layout import body_text, title_text
from watcher.publishing.message_markup import MARKDOWN
from watcher.publishing.protocol import Progress
from watcher.publishing.receiver import ReceiverRefusedError
from watcher.publishing.rest_api import RestApi
from watcher.publishing.ticket_flow import TicketFlow
from watcher.publishing.ticket_marker import marked, marker_of
from watcher.publishing.ticket_settings import GitlabIssueSettings
from watcher.publishing.ticket_text import Draft

MAX_TITLE = 255
# A description may have a million characters; nobody reads them.
MAX_BODY = 60_000
PER_PAGE = 100
MAX_PAGES = 50
# `#12`, `!12`, `~label`, `%1.0`, `$12`, `&12` and `^alert#1` become references once Markdown has been read.
_REFERENCE = re.compile(r'[#!~%$&^](?=[\w"])')
# A line that begins so is a quick action, `/close` or `/assign`, done by whoever writes it: by us.
_ACTION = re.compile(r"^(\s*)/(?=\w)", re.MULTILINE)
_APART = "\u200b"


class GitlabIssuePublisher:
    """One project whose issues are ours to keep."""

    def __init__(self, settings: GitlabIssueSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._settings = settings
        self._api = gitlab_api(settings.name, settings.url, resolve(settings.token), context.session, context.clock)
        self._flow = TicketFlow(settings, context.tickets, GitlabIssues(settings, self._api))

    async def open(self) -> None:
        """The project is there, and has issues."""
        answer = await self._api.call("GET", project_path(self._settings.project))
        if isinstance(answer.body, dict) and answer.body.get("issues_access_level") == "disabled":
            raise ReceiverRefusedError(f"{self.name}: {self._settings.project} has no issues: switch them on in its settings")

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  the tickets know how far they are
        await self._flow.tell(verdict)

    async def aclose(self) -> None:
        """The session belongs to the daemon."""


class GitlabIssues:
    """`Tracker` of watcher/publishing/ticket_flow.py. An issue is known by its number within the project, its `iid`."""

    def __init__(self, settings: GitlabIssueSettings, api: RestApi) -> None:
        self._issues = f"{project_path(settings.project)}/issues"
        self._label = settings.label
        self._api = api
        self._known: dict[str, str] | None = None  # by their markers, once they were listed

    async def find(self, marker: str) -> str | None:
        if self._known is None:
            self._known = await self._listed()
        return self._known.get(marker)

    async def create(self, draft: Draft) -> str:
        known, self._known = self._known, None  # whether it was made is not known until there is an answer
        made = await self._api.call("POST", self._issues, body={**content(draft), "labels": self._label})
        key = str(made.body["iid"])
        self._known = None if known is None else {**known, draft.marker: key}
        return key

    async def write(self, key: str, draft: Draft) -> bool:
        return await self._changed(key, content(draft))

    async def move(self, key: str, said: str, *, is_open: bool) -> bool:
        issue = await self._api.call("GET", f"{self._issues}/{key}", bear=(404,))
        if issue.status == 404:
            return self._forgotten(key)
        if (issue.body["state"] == "opened") is is_open:
            return True
        # First what a repetition would see: a comment that is missing is better than two.
        there = await self._changed(key, {"state_event": "reopen" if is_open else "close"})
        if there:
            await self._api.call("POST", f"{self._issues}/{key}/notes", body={"body": said}, bear=(404,))
        return there

    async def _changed(self, key: str, fields: dict[str, Any]) -> bool:
        answer = await self._api.call("PUT", f"{self._issues}/{key}", body=fields, bear=(404,))
        return answer.status != 404 or self._forgotten(key)

    def _forgotten(self, key: str) -> bool:
        if self._known is not None:
            self._known = {marker: known for marker, known in self._known.items() if known != key}
        return False

    async def _listed(self) -> dict[str, str]:
        known: dict[str, str] = {}
        for page in range(1, MAX_PAGES + 1):
            query = {"labels": self._label, "state": "all", "order_by": "created_at", "sort": "desc"}
            answer = await self._api.call("GET", self._issues, query={**query, "per_page": str(PER_PAGE), "page": str(page)})
            for issue in answer.body:
                marker = marker_of(issue.get("description"))
                if marker:
                    # The newest of several, which a person may have copied.
                    known.setdefault(marker, str(issue["iid"]))
            if len(answer.body) < PER_PAGE:
                break
        return known


def content(draft: Draft) -> dict[str, str]:
    title = title_text(Message(title=draft.title), most=MAX_TITLE)
    return {"title": _inert(title), "description": marked(_inert(body_text(draft.body, MARKDOWN, most=MAX_BODY)), draft.marker)}


def _inert(text: str) -> str:
    """With something that cannot be seen where a reference or an action would begin."""
    text = _REFERENCE.sub(lambda found: found[0] + _APART, text)
    return _ACTION.sub(lambda found: f"{found[1]}{_APART}/", text)
