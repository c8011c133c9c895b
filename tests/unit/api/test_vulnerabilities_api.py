"""What is known of a vulnerability and which images have it: `/api/v1/vulnerabilities/{id}` and those of one image."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.advisory_data import advisory_data, at, osv, until
from tests.doubles.api import RunningApi, running_api
from tests.doubles.inventories import a_package, an_inventory
from tests.doubles.routes import nobody
from tests.doubles.verdicts import IMAGE, SUBJECT, a_verdict
from watcher.model.digest import Digest
from watcher.model.inventory import Distro
from watcher.store.protocol import Judged

pytestmark = pytest.mark.enable_socket

MENDED, OLD, ELSEWHERE = (Digest(f"sha256:{number:064}") for number in (2, 3, 4))
DEBIAN = Distro(id="debian", version="12", known=True)
RECORD = osv(
    "DEBIAN-CVE-2023-5363",
    at("Debian:12", "openssl", *until("3.0.11-1~deb12u2")),
    upstream=["CVE-2023-5363"],
    severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    """Four images with openssl, of which two have the vulnerable version on the release that the advisory is about."""
    versions = {IMAGE: "3.0.11-1~deb12u1", MENDED: "3.0.11-1~deb12u2", OLD: "3.0.9-1", ELSEWHERE: "3.0.9-1"}
    async with running_api(tmp_path) as running:
        advisory_data(tmp_path, RECORD, now=running.clock())
        for number, (digest, version) in enumerate(versions.items()):
            packages = (a_package("libssl3", version, source="openssl", source_version=version), a_package("bash"))
            distro = replace(DEBIAN, version="13") if digest == ELSEWHERE else DEBIAN
            inventory = an_inventory(digest=digest, packages=packages, distro=distro)
            said = a_verdict(id=f"v-{number}", subject=replace(SUBJECT, digest=digest), evaluated_at=running.clock())
            await running.verdicts.record([Judged(verdict=said, inventory=inventory)], nobody)
        yield running


async def test_a_vulnerability_is_told_with_the_images_that_have_it(api: RunningApi) -> None:
    """What is known of it, and beside each image the package, what is installed and what mends it."""
    status, body = await api.get("/api/v1/vulnerabilities/CVE-2023-5363")
    assert (status, body["id"], body["aliases"], body["severity"]) == (200, "CVE-2023-5363", ["DEBIAN-CVE-2023-5363"], "HIGH")
    assert body["packages"] == [{"ecosystem": "Debian:12", "name": "openssl"}]
    assert [each["digest"] for each in body["images"]] == [OLD, IMAGE]
    (package,) = body["images"][1]["packages"]
    assert (package["name"], package["source_name"], package["version"]) == ("libssl3", "openssl", "3.0.11-1~deb12u1")
    assert (package["severity"], package["fix"]) == ("HIGH", {"state": "fixed", "versions": ["3.0.11-1~deb12u2"]})
    assert (body["images"][1]["repository"], body["next"]) == (SUBJECT.repository, None)
    assert (await api.get("/api/v1/vulnerabilities/DEBIAN-CVE-2023-5363"))[1] == body


async def test_its_images_come_page_by_page(api: RunningApi) -> None:
    """As all lists do; what is known of it is on every page."""
    _, first = await api.get("/api/v1/vulnerabilities/CVE-2023-5363?limit=1")
    assert ([each["digest"] for each in first["images"]], first["next"]) == ([OLD], OLD)
    _, second = await api.get(f"/api/v1/vulnerabilities/CVE-2023-5363?limit=1&cursor={OLD}")
    assert ([each["digest"] for each in second["images"]], second["next"], second["id"]) == ([IMAGE], None, first["id"])


@pytest.mark.parametrize("name", ["CVE-1999-1", "x" * 300, "%00", "CVE-2023-5363%20"])
async def test_what_nobody_knows_is_not_found(api: RunningApi, name: str) -> None:
    """A problem that says so."""
    status, body = await api.get(f"/api/v1/vulnerabilities/{name}")
    assert (status, body["title"]) == (404, "No such vulnerability")


async def test_without_data_every_vulnerability_is_unknown(tmp_path: Path) -> None:
    """And that is no error of the server's."""
    async with running_api(tmp_path) as api:
        assert (await api.get("/api/v1/vulnerabilities/CVE-2023-5363"))[0] == 404


async def test_the_vulnerabilities_of_an_image_are_those_that_rules_read(api: RunningApi) -> None:
    """With how far the data can be relied on, and of which revision they are."""
    status, body = await api.get(f"/api/v1/images/{IMAGE}/vulnerabilities")
    sections = {name: section["state"] for name, section in body["sections"].items()}
    assert (status, body["data"]["vulnerability_covered"]) == (200, True)
    assert sections == {"vulnerabilities": "complete", "exploitation": "missing", "likelihood": "missing"}
    (found,) = body["vulnerabilities"]
    assert (found["id"], found["package"]["name"], found["fix"]["versions"]) == ("CVE-2023-5363", "libssl3", ["3.0.11-1~deb12u2"])
    assert body["data_revision"]
    assert (await api.get(f"/api/v1/images/{MENDED}/vulnerabilities"))[1]["vulnerabilities"] == []
    _, elsewhere = await api.get(f"/api/v1/images/{ELSEWHERE}/vulnerabilities")
    assert (elsewhere["vulnerabilities"], elsewhere["sections"]["vulnerabilities"]["state"]) == ([], "missing")


async def test_an_image_that_was_never_inspected_has_none_to_tell(api: RunningApi) -> None:
    """Which is not the same as having none."""
    assert (await api.get(f"/api/v1/images/sha256:{'9' * 64}/vulnerabilities"))[0] == 404
    await api.record(id="v-9", subject=replace(SUBJECT, digest=Digest("sha256:" + "8" * 64)))
    assert (await api.get(f"/api/v1/images/sha256:{'8' * 64}/vulnerabilities"))[0] == 404


async def test_what_cannot_be_asked_is_a_problem(api: RunningApi) -> None:
    """400, with what was expected."""
    for path in ("vulnerabilities/CVE-2023-5363?limit=0", "vulnerabilities/CVE-2023-5363?cursor=x", "images/x/vulnerabilities"):
        assert (await api.get(f"/api/v1/{path}"))[0] == 400


async def test_data_that_cannot_be_read_are_a_problem_and_no_pass(api: RunningApi, tmp_path: Path) -> None:
    """Nobody is told that there is nothing."""
    (tmp_path / "advisories.db").write_bytes(b"not a database at all, by any means")
    for path in ("vulnerabilities/CVE-2023-5363", f"images/{IMAGE}/vulnerabilities"):
        status, body = await api.get(f"/api/v1/{path}")
        assert (status, body["title"], body["reason"]) == (503, "The vulnerability data cannot be read", "configuration")
