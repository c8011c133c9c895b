"""`watcher sweep` beside a store that the daemon has left."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.databases import open_database
from tests.doubles.routes import nobody
from tests.doubles.verdicts import MOMENT, SUBJECT, a_verdict
from tests.unit.cli.conftest import Run
from watcher.backlog.protocol import Job, Lane
from watcher.backlog.sqlite import SqliteBacklog
from watcher.kit.clock import utc_now
from watcher.model.digest import Digest
from watcher.model.reference import Host, RepositoryName, Tag
from watcher.store.protocol import Judged
from watcher.store.verdicts import StoredVerdicts
from watcher.testing.faults import Fault
from watcher.testing.images import build_image, build_layer, put_image
from watcher.testing.registry import MemoryRegistry

pytestmark = pytest.mark.enable_socket

APP = RepositoryName("team/app")


def judged(path: Path, host: Host, digest: Digest, tag: str, repository: RepositoryName = APP) -> None:
    async def record() -> None:
        async with open_database(path) as database:
            subject = replace(SUBJECT, registry=host, repository=repository, digest=digest, tags=(Tag(tag),))
            verdict = a_verdict(id=digest, subject=subject, tag=tag)
            await StoredVerdicts(database, lambda: MOMENT).record([Judged(verdict=verdict)], nobody)

    asyncio.run(record())


def waiting(path: Path) -> list[Job]:
    async def lease() -> list[Job]:
        async with open_database(path) as database:
            return [*await SqliteBacklog(database, utc_now).lease(tuple(Lane), 9)]

    return asyncio.run(lease())


@pytest.fixture
def config(tmp_path: Path, registry: MemoryRegistry) -> Path:
    """A registry with three images, of which one has a verdict."""
    path = tmp_path / "watcher.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/watcher.db"}}\nregistries: [{{host: "{registry.host}"}}]\n')
    one, _ = (put_image(registry, APP, build_image([build_layer({"a": text})]), text) for text in ("v1", "v2"))
    put_image(registry, RepositoryName("other/web"), build_image([build_layer({"a": "w"})]), "v1")
    judged(tmp_path / "watcher.db", registry.host, one, "v1")
    return path


def test_what_has_no_verdict_waits_for_the_daemon(watcher: Run, config: Path, registry: MemoryRegistry) -> None:
    """Behind everything that was announced; a second look finds the same and makes nothing new of it."""
    ended = watcher("sweep")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{registry.host}: 2 repositories, 3 images, 2 without a verdict, 2 of them new\n"
    ended = watcher("sweep", "-o", "json", "--registry", registry.host)
    report = json.loads(ended.out)
    assert (report["registry"], report["images"], report["taken_in"]) == (registry.host, 3, 0)
    assert [image.partition("@")[0] for image in report["without_verdict"]] == [
        f"{registry.host}/other/web:v1",
        f"{registry.host}/team/app:v2",
    ]
    jobs = waiting(config.with_name("watcher.db"))
    assert {(job.lane, job.source, job.push.repository, job.push.tag) for job in jobs} == {
        (Lane.SWEEP, "sweep", "other/web", "v1"),
        (Lane.SWEEP, "sweep", "team/app", "v2"),
    }


def test_a_sweep_of_the_configuration_says_what_is_looked_at(watcher: Run, config: Path) -> None:
    """Its globs hold here as well, and what nothing is called is told."""
    source = "sources: [{type: sweep, name: catch-up, repositories: ['team/**', 'tema/**'], tags: ['v*']}]\n"
    config.write_text(config.read_text() + source)
    ended = watcher("sweep")
    assert "1 repository, 2 images, 1 without a verdict, 1 of them new" in ended.out
    assert "no repository is called tema/**" in ended.err
    assert {job.source for job in waiting(config.with_name("watcher.db"))} == {"catch-up"}


def test_a_registry_that_nobody_configured_is_not_asked(watcher: Run, config: Path) -> None:
    """Neither is one where there is no configuration of any."""
    ended = watcher("sweep", "--registry", "other.example.com")
    assert ended.code == 2
    assert "names no registry other.example.com" in ended.err
    config.write_text("")
    ended = watcher("sweep")
    assert ended.code == 2
    assert "names no registry that could be looked through" in ended.err


def test_no_sweep_hides_another(watcher: Run, config: Path, registry: MemoryRegistry) -> None:
    """One of the configuration may have the name that a registry without one would get."""
    source = "sources: [{type: sweep, registry: other.example.com, repositories: [team/app]}]\n"
    config.write_text(config.read_text().replace("registries: [", "registries: [{host: other.example.com}, ") + source)
    ended = watcher("sweep", "--registry", registry.host)
    assert (ended.code, "2 repositories, 3 images" in ended.out) == (0, True)


def test_what_cannot_be_read_is_told_and_hides_nothing(watcher: Run, config: Path, registry: MemoryRegistry) -> None:
    """The rest is looked at, and a registry that is down does not hide the other; the exit code says that something is missing."""
    registry.faults.add(Fault(path="/v2/other/web/tags/list", status=403, times=9))
    config.write_text(config.read_text().replace("registries: [", 'registries: [{host: "127.0.0.1:1"}, '))
    ended = watcher("sweep")
    assert ended.code == 3
    assert "other/web: " in ended.err
    assert "127.0.0.1:1: " in ended.err
    assert f"{registry.host}: 1 repository, 2 images, 1 without a verdict" in ended.out


def test_the_ledger_says_what_has_no_verdict(watcher: Run, config: Path, registry: MemoryRegistry) -> None:
    """Per repository, then which and why; nothing is known before a sweep has looked."""
    ended = watcher("ledger")
    assert (ended.code, ended.out) == (3, f"{registry.host}: no sweep has looked yet; `watcher sweep` does it now\n")
    watcher("sweep")
    ended = watcher("ledger")
    assert ended.code == 1
    assert f"{registry.host}/team/app" in ended.out
    assert f"{registry.host}: 2 repositories, 3 images, 2 without a verdict; looked through at" in ended.out
    lines = [json.loads(line) for line in watcher("ledger", registry.host, "--all", "-o", "json").out.splitlines()]
    counted = [(line["repository"], line["images"], line["waiting"], line["without_verdict"]) for line in lines]
    assert counted == [("other/web", 1, 1, 1), ("team/app", 2, 1, 1)]
    ended = watcher("ledger", f"{registry.host}/team/app", "-o", "json")
    (image,) = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, image["tags"], image["state"], image["reason"]) == (1, ["v2"], "waiting", "in the lane sweep")
    assert "waiting" in watcher("ledger", f"{registry.host}/team/app").out
    second = registry.content.repositories[APP].tags[Tag("v2")]
    judged(config.with_name("watcher.db"), registry.host, second, "v2")
    web = RepositoryName("other/web")
    judged(config.with_name("watcher.db"), registry.host, registry.content.repositories[web].tags[Tag("v1")], "v1", web)
    assert watcher("ledger").code == 0
    assert watcher("ledger", "/team/app").code == 2
    registry.faults.add(Fault(path=f"/v2/{APP}/tags/list", status=403, times=9))
    registry.faults.add(Fault(path="/v2/_catalog", status=403, times=9))
    watcher("sweep")
    assert watcher("ledger").code == 3
    ended = watcher("ledger", f"{registry.host}/{APP}")
    assert (ended.code, "answered 403" in ended.err) == (3, True)
    ended = watcher("ledger", f"{registry.host}/team/none")
    assert (ended.code, ended.out) == (3, f"{registry.host}/team/none: no sweep has seen an image there\n")
