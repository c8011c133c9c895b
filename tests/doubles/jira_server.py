"""Jira in this process, as its cloud (version 3, documents) or a data center (version 2, wiki text)."""

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.code_hosts import TOKEN
from tests.doubles.scripted_server import ScriptedServer, scripted_server

USER = "watcher@example.com"
PROJECT = "SEC"
# By name: id of the transition that leads there, and its category.
WORKFLOW = {"To Do": ("11", "new"), "In Progress": ("21", "indeterminate"), "Done": ("31", "done")}


@dataclass(slots=True, kw_only=True)
class JiraDouble:
    """Issues are by key: their fields, and `status` by name. `refusals` are answered first, one each, `lost` of them after it.

    From a status every other can be reached but for those `unreachable`; one that is `demanding` asks for a resolution with it.
    """

    server: ScriptedServer
    in_cloud: bool
    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    comments: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[web.Response] = field(default_factory=list)
    unreachable: set[str] = field(default_factory=set)
    demanding: bool = False
    lost: int = 0

    def seen(self) -> object:
        """What a person sees."""
        issues = [(key, each["status"], each["summary"], self.text(each["description"])) for key, each in self.issues.items()]
        return (issues, list(self.comments)) if issues else None

    def text(self, description: Any) -> str:
        return "\n".join(_texts(description)) if self.in_cloud else str(description)

    async def answer(self, request: web.Request) -> web.Response:
        if self.refusals:
            return self.refusals.pop(0)
        proof = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode() if self.in_cloud else f"Bearer {TOKEN}"
        if request.headers.get("Authorization") != proof:
            return web.json_response({"errorMessages": ["Client must be authenticated to access this resource."]}, status=401)
        done = await self._done(request)
        if self.lost and request.method != "GET":
            self.lost -= 1
            return web.Response(status=502)
        return done

    async def _done(self, request: web.Request) -> web.Response:
        base = f"/rest/api/{3 if self.in_cloud else 2}/"
        path = request.path.removeprefix(base).split("/") if request.path.startswith(base) else []
        asked = await request.json() if request.can_read_body else {}
        match request.method, path:
            case "GET", ["project", "SEC"]:
                return web.json_response({"key": PROJECT})
            case "POST", ["search", "jql"] if self.in_cloud:
                return web.json_response({"issues": self._found(asked), "isLast": True})
            case "POST", ["search"] if not self.in_cloud:
                found = self._found(asked)
                return web.json_response({"startAt": 0, "maxResults": asked["maxResults"], "total": len(found), "issues": found})
            case "POST", ["issue"]:
                return self._made(asked["fields"])
            case _, ["issue", key, *_] if key not in self.issues:
                gone = {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}}
                return web.json_response(gone, status=404)
            case "GET", ["issue", key]:
                return web.json_response({"key": key, "fields": {"status": _status(self.issues[key]["status"])}})
            case "PUT", ["issue", key]:
                return self._refused(asked["fields"]) or self._changed(key, asked["fields"])
            case "GET", ["issue", key, "transitions"]:
                names = WORKFLOW.keys() - {self.issues[key]["status"]} - self.unreachable
                return web.json_response(
                    {"transitions": [{"id": WORKFLOW[each][0], "to": _status(each)} for each in sorted(names)]}
                )
            case "POST", ["issue", _, "transitions"] if self.demanding:
                return web.json_response({"errorMessages": [], "errors": {"resolution": "Resolution is required."}}, status=400)
            case "POST", ["issue", key, "transitions"]:
                (name,) = (each for each, (number, _) in WORKFLOW.items() if number == asked["transition"]["id"])
                return self._changed(key, {"status": name})
            case "POST", ["issue", key, "comment"]:
                self.comments.append((key, self.text(asked["body"])))
                return web.json_response({"id": "1"}, status=201)
        return web.json_response({"errorMessages": ["null for uri"]}, status=404)

    def _found(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        found = re.fullmatch(r'project = "(\w+)" AND labels = "(\S+)" ORDER BY created DESC', asked["jql"])
        assert found is not None, asked["jql"]
        keys = [key for key, issue in self.issues.items() if found[1] == PROJECT and found[2] in issue["labels"]]
        return [{"key": key, "fields": {}} for key in reversed(keys)][: asked["maxResults"]]

    def _made(self, fields: dict[str, Any]) -> web.Response:
        if fields["project"] != {"key": PROJECT} or fields["issuetype"] != {"name": "Task"}:
            return web.json_response({"errors": {"project": "valid project is required"}}, status=400)
        refused = self._refused(fields)
        if refused is not None:
            return refused
        key = f"{PROJECT}-{len(self.issues) + 1}"
        self.issues[key] = {**fields, "status": "To Do"}
        return web.json_response({"id": "10000", "key": key}, status=201)

    def _changed(self, key: str, fields: dict[str, Any]) -> web.Response:
        self.issues[key].update(fields)
        return web.Response(status=204)

    def _refused(self, fields: dict[str, Any]) -> web.Response | None:
        """What it says of fields that it does not take."""
        wrong = {}
        if "\n" in fields["summary"] or not 0 < len(fields["summary"]) <= 255:
            wrong["summary"] = "The summary is invalid because it contains newline characters."
        text = json.dumps(fields["description"]) if self.in_cloud else fields["description"]
        if len(text) > 32_767 or (self.in_cloud and not _is_document(fields["description"])):
            wrong["description"] = "The operation value must be an Atlassian Document"
        if any(" " in each for each in fields.get("labels", [])):
            wrong["labels"] = "The label can't contain spaces."
        return web.json_response({"errorMessages": [], "errors": wrong}, status=400) if wrong else None


def _status(name: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": WORKFLOW[name][1]}}


def _is_document(described: Any) -> bool:
    return bool(described["type"] == "doc" and described["version"] == 1 and all(_texts(described)))


def _texts(node: dict[str, Any]) -> Iterator[str]:
    if node["type"] == "text":
        yield node["text"]
    for each in node.get("content", []):
        yield from _texts(each)


@asynccontextmanager
async def serve_jira(*, in_cloud: bool = True) -> AsyncIterator[JiraDouble]:
    doubles: list[JiraDouble] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        return await doubles[0].answer(request)

    async with scripted_server(answer) as server:
        doubles.append(JiraDouble(server=server, in_cloud=in_cloud))
        yield doubles[0]
