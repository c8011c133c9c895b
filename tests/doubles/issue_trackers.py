"""Trackers in this process: what they keep, and how they answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.code_hosts import TOKEN
from tests.doubles.scripted_server import ScriptedServer, scripted_server

REPOSITORY = "my-org/security"


@dataclass(slots=True, kw_only=True)
class GithubIssuesDouble:
    """docs.github.com/rest/issues, at `/api/v3` as on an Enterprise Server. Issues are by number; `comments` in their order.

    `refusals` are answered first, one each, `lost` of them after the work was done. One who `may_label` can set labels.
    """

    server: ScriptedServer
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)
    refusals: list[web.Response] = field(default_factory=list)
    lost: int = 0
    may_label: bool = True
    has_issues: bool = True

    def seen(self) -> object:
        """What a person sees."""
        issues = [(each["number"], each["state"], each["title"], each["body"]) for each in self.issues.values()]
        return (issues, list(self.comments)) if issues else None

    def titles(self, state: str) -> list[str]:
        return [each["title"] for each in self.issues.values() if each["state"] == state]

    def wrote(self, *methods: str) -> int:
        """How many requests changed something."""
        return sum(each.method in (methods or ("POST", "PATCH")) for each in self.server.asked)

    async def answer(self, request: web.Request) -> web.Response:
        if self.refusals:
            return self.refusals.pop(0)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        path = request.path.removeprefix(f"/api/v3/repos/{REPOSITORY}").strip("/").split("/")
        if not request.path.startswith(f"/api/v3/repos/{REPOSITORY}"):
            return web.json_response({"message": "Not Found"}, status=404)
        done = await self._done(request, path)
        if self.lost and request.method != "GET":
            self.lost -= 1
            return web.Response(status=502)
        return done

    async def _done(self, request: web.Request, path: list[str]) -> web.Response:
        match request.method, path:
            case "GET", [""]:
                return web.json_response({"full_name": REPOSITORY, "has_issues": self.has_issues})
            case "GET", ["issues"]:
                return web.json_response(self._page(request.query))
            case "POST", ["issues"]:
                return web.json_response(self._made(await request.json()), status=201)
            case _, ["issues", number, *_] if int(number) not in self.issues:
                return web.json_response({"message": "This issue was deleted"}, status=410)
            case "GET", ["issues", number]:
                return web.json_response(self.issues[int(number)])
            case "PATCH", ["issues", number]:
                self.issues[int(number)].update(await request.json())
                return web.json_response(self.issues[int(number)])
            case "POST", ["issues", number, "comments"]:
                self.comments.append((int(number), (await request.json())["body"]))
                return web.json_response({}, status=201)
        return web.json_response({"message": "Not Found"}, status=404)

    def _made(self, asked: dict[str, Any]) -> dict[str, Any]:
        number = max(self.issues, default=0) + 1
        labels = [{"name": each} for each in asked.get("labels", []) if self.may_label]
        self.issues[number] = {**asked, "number": number, "state": "open", "labels": labels}
        return self.issues[number]

    def _page(self, query: Any) -> list[dict[str, Any]]:
        found = [
            each
            for each in sorted(self.issues.values(), key=lambda each: -each["number"])
            if query.get("labels") in [label["name"] for label in each["labels"]] and query["state"] in ("all", each["state"])
        ]
        size = int(query["per_page"])
        first = (int(query["page"]) - 1) * size
        return found[first : first + size]


@dataclass(slots=True, kw_only=True)
class GitlabIssuesDouble:
    """docs.gitlab.com/api/issues. Issues are by their number within the project; the rest as `GithubIssuesDouble`.

    A line of a description or a note that begins with a quick action is done, as GitLab does it.
    """

    server: ScriptedServer
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)
    refusals: list[web.Response] = field(default_factory=list)
    lost: int = 0
    has_issues: bool = True

    def seen(self) -> object:
        issues = [(each["iid"], each["state"], each["title"], each["description"]) for each in self.issues.values()]
        return (issues, list(self.comments)) if issues else None

    async def answer(self, request: web.Request) -> web.Response:
        if self.refusals:
            return self.refusals.pop(0)
        if request.headers.get("PRIVATE-TOKEN") != TOKEN:
            return web.json_response({"message": "401 Unauthorized"}, status=401)
        project, *path = request.raw_path.partition("?")[0].removeprefix("/api/v4/projects/").split("/")
        if project != REPOSITORY.replace("/", "%2F"):
            return web.json_response({"message": "404 Project Not Found"}, status=404)
        asked = await request.json() if request.can_read_body else {}
        done = self._done(request, path, asked)
        if self.lost and request.method != "GET":
            self.lost -= 1
            return web.Response(status=502)
        return done

    def _done(self, request: web.Request, path: list[str], asked: dict[str, Any]) -> web.Response:
        match request.method, path:
            case "GET", []:
                return web.json_response({"id": 1, "issues_access_level": "enabled" if self.has_issues else "disabled"})
            case "GET", ["issues"]:
                return web.json_response(self._page(request.query))
            case "POST", ["issues"]:
                iid = max(self.issues, default=0) + 1
                self.issues[iid] = {**asked, "iid": iid, "state": "opened", "labels": asked["labels"].split(",")}
                self._act(iid, asked["description"])
                return web.json_response(self.issues[iid], status=201)
            case _, ["issues", iid, *_] if int(iid) not in self.issues:
                return web.json_response({"message": "404 Not found"}, status=404)
            case "GET", ["issues", iid]:
                return web.json_response(self.issues[int(iid)])
            case "PUT", ["issues", iid]:
                event = asked.pop("state_event", None)
                self.issues[int(iid)].update(asked, **({"state": {"close": "closed", "reopen": "opened"}[event]} if event else {}))
                return web.json_response(self.issues[int(iid)])
            case "POST", ["issues", iid, "notes"]:
                self.comments.append((int(iid), asked["body"]))
                return web.json_response({}, status=201)
        return web.json_response({"error": "404 Not Found"}, status=404)

    def _act(self, iid: int, description: str) -> None:
        if "/close" in description.splitlines():
            self.issues[iid]["state"] = "closed"

    def _page(self, query: Any) -> list[dict[str, Any]]:
        found = [each for each in sorted(self.issues.values(), key=lambda each: -each["iid"]) if query["labels"] in each["labels"]]
        size = int(query["per_page"])
        first = (int(query["page"]) - 1) * size
        return found[first : first + size]


@asynccontextmanager
async def serve_gitlab_issues() -> AsyncIterator[GitlabIssuesDouble]:
    doubles: list[GitlabIssuesDouble] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        return await doubles[0].answer(request)

    async with scripted_server(answer) as server:
        doubles.append(GitlabIssuesDouble(server=server))
        yield doubles[0]


@asynccontextmanager
async def serve_github_issues() -> AsyncIterator[GithubIssuesDouble]:
    doubles: list[GithubIssuesDouble] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        return await doubles[0].answer(request)

    async with scripted_server(answer) as server:
        doubles.append(GithubIssuesDouble(server=server))
        yield doubles[0]
