"""Where GitHub's REST API is, and how it is asked."""

import aiohttp
from yarl import URL

from watcher.kit.clock import Clock
from watcher.kit.secret import Secret
from watcher.publishing.rest_api import RestApi

# docs.github.com/rest, "API Versions": without it a request gets whichever is the oldest.
VERSION = "2022-11-28"


def github_api(name: str, url: str, token: Secret, session: aiohttp.ClientSession, clock: Clock) -> RestApi:
    """`url` is what a browser opens."""
    headers = {
        "Authorization": f"Bearer {token.reveal()}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": VERSION,
    }
    return RestApi(name, api_base(URL(url)), headers, session, clock)


def api_base(url: URL) -> URL:
    """api.github.com, api.NAME.ghe.com, or `/api/v3` of an Enterprise Server."""
    host = url.host or ""
    if host == "github.com" or host.endswith(".ghe.com"):
        return URL.build(scheme=url.scheme, host=f"api.{host}")
    return url.with_path(f"{url.path.rstrip('/')}/api/v3")
