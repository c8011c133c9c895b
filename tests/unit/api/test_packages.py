"""Which images hold a package: `/api/v1/packages`."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.doubles.api import RunningApi, running_api
from tests.doubles.inventories import a_package, an_inventory
from tests.doubles.routes import nobody
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.reference import RepositoryName
from watcher.store.protocol import Judged

pytestmark = pytest.mark.enable_socket

OTHER = Digest("sha256:" + "2" * 64)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    """Two images with bash, one of them at two places; only one has openssl."""
    bash, openssl = a_package("bash"), a_package("libssl3", "3.0.1", source="openssl", layer=1)
    held = ((IMAGE, "team/app", (bash, openssl)), (OTHER, "team/app", (bash,)), (OTHER, "team/copy", None))
    async with running_api(tmp_path) as running:
        for number, (digest, repository, packages) in enumerate(held):
            subject = replace(SUBJECT, digest=digest, repository=RepositoryName(repository))
            inventory = None if packages is None else an_inventory(digest=digest, packages=packages)
            said = a_verdict(id=f"v-{number}", subject=subject, evaluated_at=running.clock())
            await running.verdicts.record([Judged(verdict=said, inventory=inventory)], nobody)
        yield running


async def test_images_are_listed_with_what_they_hold(api: RunningApi) -> None:
    """As `/api/v1/images` lists them, and beside each the packages that were asked for."""
    status, body = await api.get("/api/v1/packages?name=openssl")
    (image,) = body["images"]
    (listed,) = [each for each in (await api.get("/api/v1/images"))[1]["images"] if each["digest"] == IMAGE]
    package = {
        "type": "deb",
        "name": "libssl3",
        "version": "3.0.1",
        "source_name": "openssl",
        "purl": "pkg:deb/debian/libssl3@3.0.1",
        "layer": 1,
        "from_base": False,
    }
    assert (status, image, body["next"]) == (200, {**listed, "packages": [package]}, None)


async def test_a_purl_finds_the_same(api: RunningApi) -> None:
    """Escaped, as whoever puts it into a URL has to."""
    for purl in ("pkg:deb/debian/libssl3@3.0.1", "pkg:deb/debian/libssl3"):
        _, body = await api.get(f"/api/v1/packages?purl={quote(purl, safe='')}")
        assert [each["digest"] for each in body["images"]] == [IMAGE]
    assert await api.get("/api/v1/packages?purl=pkg:deb/debian/none") == (200, {"images": [], "next": None})


async def test_a_page_counts_digests(api: RunningApi) -> None:
    """An image at two places is one of the page and two of its items; the last page says that it is."""
    _, first = await api.get("/api/v1/packages?name=bash&limit=1")
    assert ([each["digest"] for each in first["images"]], first["next"]) == ([IMAGE], IMAGE)
    _, second = await api.get(f"/api/v1/packages?name=bash&limit=1&cursor={first['next']}")
    assert ([each["repository"] for each in second["images"]], second["next"]) == (["team/app", "team/copy"], None)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("", "either purl or name must say which package"),
        ("?name=", "either purl or name must say which package"),
        ("?name=bash&purl=pkg:deb/debian/bash", "either purl or name must say which package"),
        ("?purl=bash", "purl must begin with pkg:"),
        ("?name=bash&limit=0", "limit must be a number from 1 to 1000"),
        ("?name=bash&cursor=x", "Not a valid name"),
    ],
)
async def test_what_cannot_be_asked_is_a_problem(api: RunningApi, query: str, title: str) -> None:
    """400, with what was expected."""
    status, body = await api.get(f"/api/v1/packages{query}")
    assert (status, body["title"]) == (400, title)


async def test_it_needs_the_token(tmp_path: Path) -> None:
    """What images hold is for those who may know."""
    async with running_api(tmp_path, api_token="the-token") as api:
        assert (await api.get("/api/v1/packages?name=bash"))[0] == 401
