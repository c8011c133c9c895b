"""GitHub and GitLab in this process, as far as commit statuses go: what they keep, and how they answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.scripted_server import ScriptedServer, scripted_server

TOKEN = "token-of-a-test"
SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass(slots=True, kw_only=True)
class CodeHostDouble:
    """`statuses` are all that were ever set, by repository and commit, oldest first. `refusals` are answered first, one each.

    A repository that is not in `repositories` does not exist, or the token has no right to it, which looks the same.
    """

    server: ScriptedServer
    repositories: set[str]
    commits: set[str] = field(default_factory=lambda: {SHA})
    statuses: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    refusals: list[web.Response] = field(default_factory=list)
    page_size: int = 100

    @property
    def url(self) -> str:
        return self.server.url

    def all(self, key: str) -> list[Any]:
        """One field of every status that was ever set."""
        return [each[key] for statuses in self.statuses.values() for each in statuses]

    def seen(self) -> object:
        """What a person sees: every status, of which the last of a context counts."""
        return [
            (repository, sha, each.get("context") or each["name"], each.get("state") or each["status"], each["description"])
            for (repository, sha), statuses in self.statuses.items()
            for each in statuses
        ]

    def _kept(self, repository: str, sha: str) -> list[dict[str, Any]]:
        return self.statuses.setdefault((repository, sha), [])

    async def github(self, request: web.Request) -> web.Response:
        """docs.github.com/rest, at `/api/v3` as on an Enterprise Server."""
        if self.refusals:
            return self.refusals.pop(0)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        match request.path.removeprefix("/api/v3").strip("/").split("/"):
            case [""]:
                return web.json_response({"current_user_url": f"{self.url}/api/v3/user"})
            case ["repos", owner, name, *_] if f"{owner}/{name}" not in self.repositories:
                return web.json_response({"message": "Not Found"}, status=404)
            case ["repos", _, _, "commits", sha, "status"] | ["repos", _, _, "statuses", sha] if sha not in self.commits:
                return web.json_response({"message": f"No commit found for SHA: {sha}"}, status=422)
            case ["repos", owner, name, "commits", sha, "status"]:
                last = {each["context"].lower(): each for each in self._kept(f"{owner}/{name}", sha)}
                size = min(int(request.query.get("per_page", "30")), self.page_size)
                first = (int(request.query.get("page", "1")) - 1) * size
                return web.json_response({"sha": sha, "statuses": list(last.values())[first : first + size]})
            case ["repos", owner, name, "statuses", sha] if request.method == "POST":
                status = await request.json()
                if len(status["description"]) > 140:
                    return web.json_response({"message": "Validation Failed"}, status=422)
                self._kept(f"{owner}/{name}", sha).append(status)
                return web.json_response(status, status=201)
        return web.json_response({"message": "Not Found"}, status=404)

    async def gitlab(self, request: web.Request) -> web.Response:
        """docs.gitlab.com/api/commits. The project is one component of the path, encoded."""
        if self.refusals:
            return self.refusals.pop(0)
        if request.headers.get("PRIVATE-TOKEN") != TOKEN:
            return web.json_response({"message": "401 Unauthorized"}, status=401)
        parts = request.raw_path.partition("?")[0].removeprefix("/api/v4/").split("/")
        if parts == ["version"]:
            return web.json_response({"version": "18.2.0", "revision": "abc"})
        project = parts[1].replace("%2F", "/") if parts[0] == "projects" and len(parts) > 1 else ""
        if project not in self.repositories:
            return web.json_response({"message": "404 Project Not Found"}, status=404)
        match parts[2:]:
            case ["repository", "commits", sha, "statuses"] | ["statuses", sha] if sha not in self.commits:
                return web.json_response({"message": "404 Commit Not Found"}, status=404)
            case ["repository", "commits", sha, "statuses"]:
                there, asked = self._kept(project, sha), request.query
                return web.json_response([each for each in there if each["name"] == asked.get("name", each["name"])])
            case ["statuses", sha] if request.method == "POST":
                return await self._set(request, project, sha)
        return web.json_response({"error": "404 Not Found"}, status=404)

    async def _set(self, request: web.Request, project: str, sha: str) -> web.Response:
        asked = await request.json()
        if len(asked["description"]) > 255 or asked["state"] not in ("pending", "running", "success", "failed", "canceled"):
            return web.json_response({"message": {"description": ["is too long (maximum is 255 characters)"]}}, status=400)
        there = self._kept(project, sha)
        status = {
            "id": 90 + len(there),
            "sha": sha,
            "status": asked["state"],
            "name": asked["name"],
            "description": asked["description"],
            "target_url": asked.get("target_url"),
        }
        there.append(status)
        return web.json_response(status, status=201)


@asynccontextmanager
async def serve_github(*repositories: str) -> AsyncIterator[CodeHostDouble]:
    async with _serve("github", *repositories) as host:
        yield host


@asynccontextmanager
async def serve_gitlab(*repositories: str) -> AsyncIterator[CodeHostDouble]:
    async with _serve("gitlab", *repositories) as host:
        yield host


@asynccontextmanager
async def _serve(kind: str, *repositories: str) -> AsyncIterator[CodeHostDouble]:
    hosts: list[CodeHostDouble] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        (host,) = hosts
        return await (host.github(request) if kind == "github" else host.gitlab(request))

    async with scripted_server(answer) as server:
        hosts.append(CodeHostDouble(server=server, repositories=set(repositories)))
        yield hosts[0]


def built_from(repository: str, *, host: str = "127.0.0.1", sha: str = SHA) -> dict[str, str]:
    """The labels of an image."""
    return {"org.opencontainers.image.source": f"https://{host}/{repository}", "org.opencontainers.image.revision": sha}
