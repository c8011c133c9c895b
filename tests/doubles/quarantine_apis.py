"""Registries' own APIs in this process, as far as quarantine asks them: what they keep, and how they answer as documented.

Each has one image, `team/app` with the digest DIGEST and two tags, v1 and latest. `refused` are (method, a part of the path), with
the status that they are answered with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

DIGEST = "sha256:" + "5" * 64
QUAY_TOKEN = "oauth-token"


class ApiDouble(Protocol):
    """What a test sees of one: its tags, and what people see of the image."""

    tags: set[str]
    refused: dict[tuple[str, str], int]

    async def answer(self, request: web.Request) -> web.Response: ...

    def shown(self) -> object:
        """Of the image, to people; nothing while there is nothing to be said."""
        ...


def _tags() -> set[str]:
    return {"v1", "latest"}


@dataclass(kw_only=True)
class HarborDouble:
    """api/v2.0/swagger.yaml of goharbor/harbor: project, label, artifact, tag."""

    tags: set[str] = field(default_factory=_tags)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    labels: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": 3, "name": "quarantined-by-hand", "scope": "p", "project_id": 7}]
    )
    on_artifact: set[int] = field(default_factory=lambda: {3})

    def shown(self) -> object:
        return sorted(self.on_artifact - {3})

    async def answer(self, request: web.Request) -> web.Response:
        if status := _refused(self, request):
            return _harbor_error(status)
        artifacts = "/api/v2.0/projects/team/repositories/app/artifacts"
        path = request.path.removeprefix(artifacts).strip("/").split("/")
        match request.method, path:
            case "GET", ["api", "v2.0", "projects", "team"]:
                return web.json_response({"project_id": 7, "name": "team"})
            case "GET", ["api", "v2.0", "labels"]:
                assert dict(request.query)["project_id"] == "7"
                return web.json_response([each for each in self.labels if request.query["name"] in each["name"]])
            case "POST", ["api", "v2.0", "labels"]:
                said = await request.json()
                if any(each["name"] == said["name"] for each in self.labels):
                    return _harbor_error(409)
                self.labels.append({**said, "id": 4 + len(self.labels)})
                return web.Response(status=201, headers={"Location": f"/api/v2.0/labels/{self.labels[-1]['id']}"})
            case "GET", [found] if found == DIGEST:
                labels = [each for each in self.labels if each["id"] in self.on_artifact]
                return web.json_response({"digest": DIGEST, "labels": labels if request.query.get("with_label") else None})
            case "POST", [found, "labels"] if found == DIGEST:
                number = (await request.json())["id"]
                if number in self.on_artifact:
                    return _harbor_error(409)
                self.on_artifact.add(number)
                return web.Response(status=200)
            case "DELETE", [found, "labels", number] if found == DIGEST:
                if int(number) not in self.on_artifact:
                    return _harbor_error(404)
                self.on_artifact.discard(int(number))
                return web.Response(status=200)
            case "DELETE", [reference, "tags", tag]:
                if reference not in self.tags:
                    return _harbor_error(404)
                self.tags.discard(tag)
                return web.Response(status=200)
        return _harbor_error(404)


@dataclass(kw_only=True)
class AcrDouble:
    """ACR's data plane: `_manifests` and `_tags`. `state` is kept where the quarantine policy is on."""

    tags: set[str] = field(default_factory=_tags)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    attributes: dict[str, Any] = field(
        default_factory=lambda: {"readEnabled": True, "writeEnabled": True, "quarantineState": "Passed"}
    )

    def shown(self) -> object:
        return [self.attributes["quarantineState"]] if self.attributes["readEnabled"] is False else []

    async def answer(self, request: web.Request) -> web.Response:
        if status := _refused(self, request):
            return _registry_error(status)
        path = request.path.removeprefix("/acr/v1/team/app").strip("/").split("/")
        match request.method, path:
            case "GET", ["_manifests", found] if found == DIGEST:
                manifest = {"digest": DIGEST, "tags": sorted(self.tags), "changeableAttributes": self.attributes}
                return web.json_response({"registry": "r.azurecr.io", "imageName": "team/app", "manifest": manifest})
            case "PATCH", ["_manifests", found] if found == DIGEST:
                self.attributes |= await request.json()
                return web.Response(status=200)
            case "DELETE", ["_tags", tag] if tag in self.tags:
                self.tags.discard(tag)
                return web.Response(status=202)
        return _registry_error(404)


@dataclass(kw_only=True)
class QuayDouble:
    """endpoints/api/manifest.py and tag.py of quay/quay. The image has brought a label of our name along."""

    tags: set[str] = field(default_factory=_tags)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    labels: list[dict[str, str]] = field(
        default_factory=lambda: [{"id": "m-1", "key": "quarantined", "value": "false", "source_type": "manifest"}]
    )

    def shown(self) -> object:
        return [each["value"] for each in self.labels if each["source_type"] == "api"]

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {QUAY_TOKEN}":
            return web.json_response({"error": "insufficient_scope"}, status=403)
        if status := _refused(self, request):
            return web.json_response({"status": status}, status=status)
        path = request.path.removeprefix("/api/v1/repository/team/app").strip("/").split("/")
        match request.method, path:
            case "GET", ["manifest", found, "labels"] if found == DIGEST:
                return web.json_response(
                    {"labels": [each for each in self.labels if each["key"].startswith(request.query["filter"])]}
                )
            case "POST", ["manifest", found, "labels"] if found == DIGEST:
                label = {**await request.json(), "id": f"a-{len(self.labels)}", "source_type": "api"}
                self.labels.append(label)
                return web.json_response({"label": label}, status=201)
            case "DELETE", ["manifest", found, "labels", number] if found == DIGEST:
                self.labels = [each for each in self.labels if each["id"] != number]
                return web.Response(status=204)
            case "DELETE", ["tag", tag] if tag in self.tags:
                self.tags.discard(tag)
                return web.Response(status=204)
        return web.json_response({"error_type": "not_found"}, status=404)


@dataclass(kw_only=True)
class ArtifactoryDouble:
    """JFrog's REST API: search by properties, properties of files; and the registry's own way to delete a tag.

    Another image has the same manifest.
    """

    tags: set[str] = field(default_factory=_tags)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        paths = ("team/app/v1/manifest.json", "team/app/latest/manifest.json", "team/app/other/v1/manifest.json")
        self.properties |= {path: {"docker.manifest.digest": DIGEST} for path in paths}

    def shown(self) -> object:
        return sorted(path for path, properties in self.properties.items() if "quarantined" in properties)

    async def answer(self, request: web.Request) -> web.Response:
        if status := _refused(self, request):
            return web.json_response({"errors": [{"status": status}]}, status=status)
        if request.method == "DELETE" and (tag := request.path.removeprefix("/v2/team/app/manifests/")) in self.tags:
            self.tags.discard(tag)
            return web.Response(status=202)
        if request.method == "GET" and request.path == "/artifactory/api/search/prop":
            wanted = {name: value for name, value in request.query.items() if name != "repos"}
            base = f"{request.scheme}://{request.host}/artifactory/api/storage/"
            found = [path for path, properties in self.properties.items() if wanted.items() <= properties.items()]
            return web.json_response({"results": [{"uri": base + path} for path in found]})
        path = request.path.removeprefix("/artifactory/api/metadata/")
        if request.method == "PATCH" and path in self.properties:
            for name, value in (await request.json())["props"].items():
                self.properties[path].pop(name, None)
                self.properties[path] |= {name: value} if value is not None else {}
            return web.Response(status=204)
        return web.json_response({"errors": [{"status": 404}]}, status=404)


APIS: Mapping[str, type[ApiDouble]] = {
    "harbor": HarborDouble,
    "acr": AcrDouble,
    "quay": QuayDouble,
    "artifactory": ArtifactoryDouble,
}


def _refused(double: ApiDouble, request: web.Request) -> int:
    return next((s for (method, part), s in double.refused.items() if method == request.method and part in request.path), 0)


def _harbor_error(status: int) -> web.Response:
    return web.json_response({"errors": [{"code": "SOME_CODE", "message": "why"}]}, status=status)


def _registry_error(status: int) -> web.Response:
    return web.json_response({"errors": [{"code": "DENIED", "message": "why"}]}, status=status)
