"""Parts of a whole daemon fail, and the rest of it does its work: hooks, admission, verdicts, publications, reloads."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.doubles.hooks import envelope, push_event
from watcher import settings as configuration
from watcher.daemon import Daemon, assembled
from watcher.evaluation.policies.loading import load_settings
from watcher.kit.sqlite import StoreUnavailableError
from watcher.kit.version import VERSION
from watcher.model.errors import ConfigurationError, RetryableError
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Verdict
from watcher.publishing.protocol import Progress
from watcher.running import run_until_signalled
from watcher.sources.protocol import Health, Intake
from watcher.testing.images import BuiltImage, build_image, build_layer, put_image
from watcher.testing.ports import free_port
from watcher.testing.registry import MemoryRegistry, serve_registry

METRICS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
APP = RepositoryName("team/app")
CONFIGURATION = """\
server: {{port: {port}}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
registries: [{{host: "{registry}"}}]
sources: [{{type: webhook, dialect: distribution, auth: {{type: none}}}}]
admission: {{on_unjudged: deny}}
"""
IMAGE = build_image([build_layer({"app": "x"})], config={"User": "1000"})


class Queue:
    """A source that cannot listen: it raises what it is told to, then listens."""

    name = "queue"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.listening = asyncio.Event()
        self.health = Health()

    async def run(self, intake: Intake) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.listening.set()
        await asyncio.Event().wait()


@dataclass
class Collected:
    """A publisher that keeps what it is given."""

    name: str = "collected"
    verdicts: asyncio.Queue[Verdict] = field(default_factory=asyncio.Queue)

    async def open(self) -> None:
        return

    async def publish(self, verdict: Verdict, progress: Progress) -> None:
        await self.verdicts.put(verdict)

    async def aclose(self) -> None:
        return


@dataclass
class World:
    url: str
    registry: MemoryRegistry
    session: aiohttp.ClientSession
    published: Collected

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(self.url + path) as response:
            return response.status, await (response.json() if "json" in response.content_type else response.text())

    async def push(self, image: BuiltImage = IMAGE) -> None:
        put_image(self.registry, APP, image, "v1")
        event = push_event(self.registry.host, APP, image)
        async with self.session.post(f"{self.url}/hooks/distribution", data=envelope(event)) as response:
            assert response.status == 202

    async def verdict(self) -> Verdict:
        async with asyncio.timeout(60):
            return await self.published.verdicts.get()

    async def admits(self, image: BuiltImage = IMAGE) -> bool:
        pod = {"kind": "Pod", "spec": {"containers": [{"name": "c", "image": f"{self.registry.host}/{APP}@{image.digest}"}]}}
        kind = {"group": "", "version": "v1", "kind": "Pod"}
        request = {"uid": "u", "kind": kind, "operation": "CREATE", "namespace": "prod", "name": "web", "object": pod}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        async with self.session.post(f"{self.url}/k8s/admission", json=review) as response:
            assert response.status == 200
            return bool((await response.json())["response"]["allowed"])


@asynccontextmanager
async def running(folder: Path, spoil: Callable[[Daemon], Daemon]) -> AsyncIterator[World]:
    """A daemon that was spoilt before it was started."""
    published = Collected()
    async with serve_registry() as registry, aiohttp.ClientSession() as session:
        path = folder / "watcher.yaml"
        path.write_text(CONFIGURATION.format(port=0, folder=folder, registry=registry.host))
        async with assembled(configuration.load(path), folder=folder, extra={published.name: published}) as daemon:
            started: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(spoil(daemon).run(started=started))
            host, port = await started
            yield World(f"http://{host}:{port}", registry, session, published)
            assert not task.done()
            task.cancel()
            await asyncio.wait([task])


async def eventually(look: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while not await look():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RetryableError("the queue refuses us"), "unavailable"),
        (ConfigurationError("queue: the secret was revoked"), "configuration"),
        (RuntimeError("a bug"), "RuntimeError"),
    ],
)
async def test_a_source_that_fails_takes_nothing_with_it(tmp_path: Path, error: Exception, reason: str) -> None:
    """It is named as down; pushes are taken in, judged, published and admitted all the same."""
    queue = Queue(*[error] * 1000)
    async with running(tmp_path, lambda daemon: replace(daemon, sources=[queue, *daemon.sources])) as world:

        async def degraded() -> bool:
            status, ready = await world.get("/readyz")
            return (status, ready["status"], ready.get("down")) == (200, "degraded", {"source-queue": reason})

        await eventually(degraded)
        await world.push()
        assert (await world.verdict()).subject.digest == IMAGE.digest
        assert await world.admits()
        assert (await world.get("/healthz"))[0] == 200
        _, metrics = await world.get("/metrics")
        assert 'watcher_part_up{part="source-queue"} 0.0' in metrics
        assert 'watcher_part_up{part="source-distribution"} 1.0' in metrics
        assert 'watcher_restarts_total{part="judge"} 0.0' in metrics


async def test_a_source_listens_again_by_itself(tmp_path: Path) -> None:
    """Once what it listens to is there again, without a restart of the daemon."""
    queue = Queue(RetryableError("the queue refuses us"))
    async with running(tmp_path, lambda daemon: replace(daemon, sources=[queue, *daemon.sources])) as world:
        async with asyncio.timeout(30):
            await queue.listening.wait()
        _, metrics = await world.get("/metrics")
        assert 'watcher_restarts_total{part="source-queue"} 1.0' in metrics


async def test_a_daemon_that_has_just_begun_shows_every_metric(tmp_path: Path) -> None:
    """All of the reference, and of what it counts a number: nothing has to happen first, so that the first time is an increase.

    When a certificate ends is not there without one.
    """
    documented = re.findall(r"^\| `(watcher_\w+)` \| (\w+) \|", METRICS_PAGE.read_text(), re.MULTILINE)
    nobody_is_configured = {"watcher_canaries_total", "watcher_canary_seconds", "watcher_publications_total"}
    async with running(tmp_path, lambda daemon: daemon) as world:
        _, text = await world.get("/metrics")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        names = {name: families.get(name.removesuffix("_total")) for name, _ in documented}
        assert [name for name, family in names.items() if family is None] == [
            "watcher_server_certificate_expires_timestamp_seconds"
        ]
        counted = {name for name, kind in documented if kind in {"counter", "histogram"}} - nobody_is_configured
        assert [name for name in sorted(counted) if not families[name.removesuffix("_total")].samples] == []
        assert 'watcher_events_total{decision="refused",reason="store-unavailable",source="distribution"} 0.0' in text
        assert 'watcher_backlog_jobs{lane="push",state="waiting"} 0.0' in text
        assert f'version="{VERSION}"' in text
        # The one that evaluates policies, and the one that reads layers.
        assert families["watcher_children"].samples[0].value >= 2
        assert families["watcher_children_resident_memory_bytes"].samples[0].value > 2**20
        assert families["process_resident_memory_bytes"].samples[0].value > 2**20


@pytest.mark.parametrize("error", [StoreUnavailableError("the store is full"), KeyError("a bug")])
async def test_every_loop_fails_and_the_verdict_comes(tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leasing and taking from the outbox fail at first; both are run again, and nothing is lost."""

    def stumbling(owner: object, name: str) -> None:
        original, errors = getattr(owner, name), [error]

        async def call(*arguments: Any, **named: Any) -> Any:
            if errors:
                raise errors.pop()
            return await original(*arguments, **named)

        # What a store that is full raises cannot be had for one call only.
        monkeypatch.setattr(owner, name, call)

    def spoil(daemon: Daemon) -> Daemon:
        stumbling(daemon.storage.backlog, "lease")
        stumbling(daemon.storage.outbox, "due")
        return daemon

    async with running(tmp_path, spoil) as world:
        await world.push()
        assert (await world.verdict()).subject.digest == IMAGE.digest
        _, ready = await world.get("/readyz")
        assert ready["down"].keys() == {"judge", "announce"}


async def test_a_reload_that_fails_is_made_up_for_and_the_next_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system stumbles once: the policies are read again by themselves, and at every SIGHUP after that."""
    loads: list[int] = []

    def stumbling(*arguments: Any, **named: Any) -> Any:
        loads.append(len(loads))
        if len(loads) == 1:
            raise OSError(5, "Input/output error")
        return load_settings(*arguments, **named)

    monkeypatch.setattr("watcher.daemon.load_settings", stumbling)
    port = free_port()
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIGURATION.format(port=port, folder=tmp_path, registry="registry.example.com"))
    async with aiohttp.ClientSession() as session:

        async def ready() -> Any:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    return await response.json()
            except aiohttp.ClientError:
                return None

        async def loaded(times: int) -> bool:
            return len(loads) == times

        task = asyncio.create_task(run_until_signalled(configuration.read(path)))
        await eventually(ready)
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: loaded(2))
        assert (await ready())["down"] == {"reload": "OSError"}
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: loaded(3))
        assert not task.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 30)
