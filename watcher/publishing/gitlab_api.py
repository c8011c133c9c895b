"""Where GitLab's REST API is, and how it is asked."""

from urllib.parse import quote

import aiohttp
from yarl import URL

from watcher.kit.clock import Clock
from watcher.kit.secret import Secret
from watcher.publishing.rest_api import RestApi


def gitlab_api(name: str, url: str, token: Secret, session: aiohttp.ClientSession, clock: Clock) -> RestApi:
    """`url` is what a browser opens. The token may be a person's, a project's or a group's."""
    return RestApi(name, URL(url) / "api" / "v4", {"PRIVATE-TOKEN": token.reveal()}, session, clock)


def project_path(project: str) -> str:
    """`GROUP/NAME` is one component of a path."""
    return f"/projects/{quote(project, safe='')}"
