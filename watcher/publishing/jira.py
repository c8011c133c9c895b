"""Keep a Jira issue for each cause, in Jira's cloud or in a data center.

Spec: developer.atlassian.com/cloud/jira/platform/rest/v3 and docs.atlassian.com/software/jira/docs/api/REST (version 2): create,
edit, get and search issues, their transitions and comments. A search finds what was made some seconds ago.
"""

import base64
from collections.abc import Mapping
from typing import Any

import structlog
from yarl import URL

from watcher.kit.secret import Secret, resolve
from watcher.model.verdict import Verdict
from watcher.publishing.context import PublisherContext
from watcher.publishing.jira_text import MOST_CHARACTERS, WIKI, comment, document
from watcher.publishing.message import Message
from watcher.publishing.message_layout import body_text, title_text
from watcher.publishing.protocol import Progress
from watcher.publishing.rest_api import RestApi
from watcher.publishing.ticket_flow import TicketFlow
from watcher.publishing.ticket_settings import JiraSettings
from watcher.publishing.ticket_text import Draft

log = structlog.get_logger(__name__)

MAX_SUMMARY = 250
# Half of a hash is enough for a label that people see.
MARKER_CHARACTERS = 32
# "Status categories" of every Jira, the first that is met. What is done is closed; what is to do is open, or else what is in work.
_CATEGORIES = {True: ("new", "indeterminate"), False: ("done",)}


class JiraPublisher:
    """One project whose issues with our label are ours to keep."""

    def __init__(self, settings: JiraSettings, context: PublisherContext) -> None:
        self.name = settings.name
        self._project = settings.project
        self._api = RestApi(
            settings.name, jira_base(settings), jira_headers(settings, resolve(settings.token)), context.session, context.clock
        )
        self._flow = TicketFlow(settings, context.tickets, JiraIssues(settings, self._api))

    async def open(self) -> None:
        """The project is there, for this account."""
        await self._api.call("GET", f"/project/{self._project}")

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  the tickets know how far they are
        await self._flow.tell(verdict)

    async def aclose(self) -> None:
        """The session belongs to the daemon."""


class JiraIssues:
    """`Tracker` of watcher/publishing/ticket_flow.py. An issue is found by a label of its own."""

    def __init__(self, settings: JiraSettings, api: RestApi) -> None:
        self._name = settings.name
        self._settings = settings
        self._api = api
        self._in_cloud = bool(settings.user)

    async def find(self, marker: str) -> str | None:
        jql = f'project = "{self._settings.project}" AND labels = "{self._label(marker)}" ORDER BY created DESC'
        path = "/search/jql" if self._in_cloud else "/search"
        answer = await self._api.call("POST", path, body={"jql": jql, "fields": ["summary"], "maxResults": 1})
        return str(answer.body["issues"][0]["key"]) if answer.body["issues"] else None

    async def create(self, draft: Draft) -> str:
        fields = {
            **self._content(draft),
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            "labels": [self._settings.label, self._label(draft.marker)],
        }
        made = await self._api.call("POST", "/issue", body={"fields": fields})
        return str(made.body["key"])

    async def write(self, key: str, draft: Draft) -> bool:
        # Who administers the project spares its watchers a mail for each image; of anybody else it is ignored.
        query = {"notifyUsers": "false"} if self._in_cloud else {}
        answer = await self._api.call("PUT", f"/issue/{key}", body={"fields": self._content(draft)}, query=query, bear=(404,))
        return answer.status != 404

    async def move(self, key: str, said: str, *, is_open: bool) -> bool:
        issue = await self._api.call("GET", f"/issue/{key}", query={"fields": "status"}, bear=(404,))
        if issue.status == 404:
            return False
        if (_category(issue.body["fields"]["status"]) != "done") is is_open:
            return True
        # First what a repetition would see: a comment that is missing is better than two.
        await self._transition(key, is_open=is_open)
        body = comment(said) if self._in_cloud else said
        await self._api.call("POST", f"/issue/{key}/comment", body={"body": body}, bear=(404,))
        return True

    async def _transition(self, key: str, *, is_open: bool) -> None:
        """As the project's workflow allows. Where it does not, or asks for more, a person reads the comment and does it."""
        answer = await self._api.call("GET", f"/issue/{key}/transitions", bear=(404,))
        possible = answer.body.get("transitions", []) if isinstance(answer.body, dict) else []
        for category in _CATEGORIES[is_open]:
            for each in possible:
                if _category(each["to"]) == category:
                    body = {"transition": {"id": each["id"]}}
                    done = await self._api.call("POST", f"/issue/{key}/transitions", body=body, bear=(400, 404))
                    if done.status != 400:
                        return
        log.warning("ticket.unmoved", publisher=self._name, ticket=key, is_open=is_open)

    def _label(self, marker: str) -> str:
        return f"{self._settings.label}-{marker[:MARKER_CHARACTERS]}"

    def _content(self, draft: Draft) -> dict[str, Any]:
        text = document(draft.body) if self._in_cloud else body_text(draft.body, WIKI, most=MOST_CHARACTERS)
        return {"summary": title_text(Message(title=draft.title), most=MAX_SUMMARY), "description": text}


def jira_base(settings: JiraSettings) -> URL:
    """Version 3 is the cloud's, which alone knows users by their mail."""
    return URL(settings.url) / "rest" / "api" / ("3" if settings.user else "2")


def jira_headers(settings: JiraSettings, token: Secret) -> Mapping[str, str]:
    """An API token with its user, or a personal access token of a data center."""
    if not settings.user:
        return {"Authorization": f"Bearer {token.reveal()}"}
    return {"Authorization": "Basic " + base64.b64encode(f"{settings.user}:{token.reveal()}".encode()).decode()}


def _category(status: Mapping[str, Any]) -> str:
    return str(status["statusCategory"]["key"])
